"""Every module of ``benchmarks/`` is importable, and every case of ``make bench`` can be built and traced."""

import importlib
import pkgutil
from pathlib import Path

import jax
import pytest

import benchmarks
from benchmarks import throughput
from jmeta.outer.base import OuterLearner

MODULES = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_can_be_imported_and_is_described(name: str) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    assert (module.__doc__ or "").strip()


def test_processes_of_its_own_are_started_as_modules_of_the_package() -> None:
    """A script that is started by its path finds no package `benchmarks`."""
    for file in Path(*benchmarks.__path__).glob("*.py"):
        assert "sys.executable, __file__" not in file.read_text("utf-8"), file.name


@pytest.mark.slow
@pytest.mark.parametrize("case", throughput.CASES)
def test_a_case_of_make_bench_takes_a_step(case: str) -> None:
    outer = throughput.CASES[case]().outer
    assert isinstance(outer, OuterLearner)
    state = jax.eval_shape(outer.init, jax.random.key(0))
    after, _ = jax.eval_shape(outer.step, state, jax.random.key(1))
    assert jax.tree.structure(after) == jax.tree.structure(state)
