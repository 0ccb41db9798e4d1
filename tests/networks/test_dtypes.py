"""Networks that compute in bfloat16."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmeta
from jmeta.tasks import BernoulliBandit, PointNavigation
from jmeta.types import Timestep

BUILD = {
    "maml": lambda **fields: jmeta.algorithms.maml(
        PointNavigation(horizon=5), widths=(16, 16), num_streams=4, num_tasks=4, **fields
    ),
    "cavia": lambda **fields: jmeta.algorithms.cavia(
        PointNavigation(horizon=5), widths=(16, 16), num_streams=4, num_tasks=4, **fields
    ),
    "rl2": lambda **fields: jmeta.algorithms.rl2(BernoulliBandit(num_arms=3, num_pulls=4), hidden_size=16, num_tasks=8, **fields),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILD)
def test_bfloat16_is_used_inside_and_seen_nowhere_else(name: str) -> None:
    """Parameters, decisions and memory are float32, decisions those of float32 up to bfloat16's eight bits."""
    exact, rough = BUILD[name]().inner, BUILD[name](compute_dtype="bfloat16").inner
    theta = exact.init(jax.random.key(0))
    theta = jax.tree.map(lambda x: x + 0.3 * jnp.sin(jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape), theta)
    assert jax.eval_shape(rough.init, jax.random.key(0)) == jax.eval_shape(lambda: theta)
    size = exact.observation_size
    seen, done = jnp.ones(size), jnp.ones(exact.action_space.encoding_size)
    timestep = Timestep(seen, done, jnp.float32(1.0), jnp.array(False), seen)
    outputs = []
    for inner in (exact, rough):
        phi, memory = inner.begin(theta, 1, jax.random.key(0))
        memory = jax.tree.map(lambda x: x[0], memory)
        decision, memory = inner.act(theta, phi, *inner.act(theta, phi, memory, timestep)[1:], timestep)
        outputs.append(jax.tree.leaves((decision, memory)))
        assert all(x.dtype == jnp.float32 for x in outputs[-1])
    different = False
    for a, b in zip(*outputs, strict=True):
        np.testing.assert_allclose(a, b, atol=0.05 * float(jnp.abs(a).max()) + 1e-3)
        different |= bool(jnp.any(a != b))
    assert different


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILD)
def test_bfloat16_trains(name: str) -> None:
    outer = BUILD[name](compute_dtype="bfloat16")
    state, metrics = jax.jit(outer.step)(outer.init(jax.random.key(0)), jax.random.key(1))
    assert all(np.isfinite(x) for x in metrics.values())
    assert all(x.dtype == jnp.float32 for x in jax.tree.leaves(state.theta))
