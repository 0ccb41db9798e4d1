"""Programs for chips that are not here: every learner lowers for them, and one of each family compiles for a grid of TPUs."""

import importlib.util

import jax
import pytest

import jmeta
from jmeta.planning import plan
from tests.laws.learners import LEARNERS, OUTER_LEARNERS

pytestmark = [pytest.mark.plan, pytest.mark.timeout(600)]
needs_libtpu = pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="libtpu is not installed: make test-plan")
FAMILIES = [
    *(("rl2", "discrete"), ("rl2", "transformer"), ("maml", "continuous"), ("reptile", ""), ("varibad", "")),
    *(("pearl", "product"), ("dqn", ""), ("rl2-es", ""), ("es-maml", "")),
]


@pytest.mark.parametrize("name", OUTER_LEARNERS)
def test_every_learner_lowers_for_gpus_and_tpus(name):
    outer = OUTER_LEARNERS[name]()
    key = jax.eval_shape(lambda: jax.random.key(0))
    traced = jax.jit(outer.step).trace(jax.eval_shape(outer.init, key), key)
    for platform in ("cuda", "tpu"):
        assert "func.func public @main" in traced.lower(lowering_platforms=(platform,)).as_text()


@needs_libtpu
@pytest.mark.parametrize(("name", "variant"), FAMILIES)
def test_one_of_each_family_compiles_for_tpus(name, variant):
    tasks, settings = LEARNERS[name][variant]
    larger = "num_training_tasks" if "num_training_tasks" in settings else "num_tasks"
    planned = plan(jmeta.algorithms.ALGORITHMS[name](tasks, **settings | {larger: 16}), "v5e:2x2")
    assert planned.fits
    assert planned.compiled.kernels > planned.traced.serial_steps
    assert planned.compiled.unknown_loops == 0
    assert planned.compiled.collectives > 0


@needs_libtpu
def test_what_does_not_fit_is_known_from_the_compiler():
    build = lambda num_tasks: jmeta.algorithms.rl2(jmeta.tasks.BernoulliBandit(), num_tasks=num_tasks)  # noqa: E731
    planned = plan(build(2**26), "v5e:1x1")
    assert planned.fits is False
    assert "memory" in planned.refusal
