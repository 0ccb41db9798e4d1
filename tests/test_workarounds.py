"""Canaries: each fails when the fault that a workaround is for is gone (``docs/workarounds.md``)."""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import flashbax
import flax.struct
import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from jmeta._runtime import LIBRARY_FLAG

ROOT = Path(__file__).parents[1]
TESTED = dict(re.findall(r"^([\w-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
REGISTER = (ROOT / "docs" / "workarounds.md").read_text()


def is_there(fault: bool, package: str, workaround: str) -> None:
    """Fails where a fault is gone from the tested version of a package, and skips where it is gone from another."""
    if fault:
        return
    message = f"{package} {version(package)} no longer needs {workaround}: see docs/workarounds.md"
    if version(package) == TESTED.get(package):
        pytest.fail(message)
    pytest.skip(message)


def test_the_register_names_every_canary() -> None:
    named = set(re.findall(r"`(test_\w+)`", REGISTER))
    here = {name for name in globals() if name.startswith("test_")} - {"test_the_register_names_every_canary"}
    assert named == here


def test_flax_takes_one_class_for_another() -> None:
    @flax.struct.dataclass
    class One:
        weight: float = 1.0

    @flax.struct.dataclass
    class Other:
        weight: float = 1.0

    is_there(jax.tree.structure(One()) == jax.tree.structure(Other()), "jax", "jmeta.struct")


SUM = """
import time, jax, jax.numpy as jnp
x = jnp.ones((8, 1_000_000))
f = jax.jit(lambda x: (x * 2).sum(0))
f(x).block_until_ready()
best = 1e9
for _ in range(10):
    start = time.perf_counter()
    f(x).block_until_ready()
    best = min(best, time.perf_counter() - start)
print(best)
"""


@pytest.mark.slow
def test_sums_over_a_leading_axis_are_slow() -> None:
    def seconds(flags: str) -> float:
        environment = os.environ | {"XLA_FLAGS": flags, "JAX_ENABLE_COMPILATION_CACHE": "false"}
        run = subprocess.run([sys.executable, "-c", SUM], env=environment, capture_output=True, text=True, check=True)
        return float(run.stdout)

    slow, fast = seconds(""), seconds(f"{LIBRARY_FLAG}=LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT")
    is_there(slow > 2.0 * fast, "jaxlib", LIBRARY_FLAG)


def test_linear_systems_call_lapack() -> None:
    solve = jax.jit(jax.vmap(jnp.linalg.solve))
    program = solve.lower(jnp.ones((4, 3, 3)), jnp.ones((4, 3))).as_text()
    is_there("lapack" in program, "jaxlib", "solvers without LAPACK")


def test_the_derivative_of_a_scan_carries_the_weights() -> None:
    def last(weights: jax.Array) -> jax.Array:
        state, _ = jax.lax.scan(lambda state, _: (jnp.tanh(weights @ state), None), jnp.ones(3), length=5)
        return state.sum()

    program = jax.make_jaxpr(jax.grad(last))(jnp.eye(3))
    backward = [each for each in program.jaxpr.eqns if each.primitive.name == "scan"][-1]
    carried = backward.outvars[: backward.params["num_carry"]]
    is_there(any(variable.aval.shape == (3, 3) for variable in carried), "jax", "the derivative of a GRU's sequence")


def test_a_fresh_buffer_is_weakly_typed() -> None:
    buffer = flashbax.make_trajectory_buffer(
        add_batch_size=1, sample_batch_size=1, sample_sequence_length=1, period=1, min_length_time_axis=1, max_length_time_axis=4
    )
    state = jax.eval_shape(buffer.init, {"x": jnp.zeros(())})
    is_there(any(leaf.weak_type for leaf in jax.tree.leaves(state)), "flashbax", "settled types in OffPolicy.init")


def test_a_distribution_keeps_the_batch_shape_it_was_made_with() -> None:
    stacked = jax.vmap(lambda mean: dist.Normal(mean, 1.0))(jnp.zeros(3))
    is_there(stacked.batch_shape == (), "numpyro", "distributions of single decisions")


def test_boxes_of_gymnax_leave_rewards_out() -> None:
    bandit, maze = (gymnax.make(name) for name in ("GaussianBandit-misc", "MetaMaze-misc"))
    low = np.asarray(bandit[0].observation_space(bandit[1]).low)
    high = np.asarray(maze[0].observation_space(maze[1]).high)
    is_there((low >= 0).all() and high[:-1].max() < maze[1].reward, "gymnax", "jmeta.interop.gymnasium.spaces")
