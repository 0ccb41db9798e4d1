"""What a recurrent agent perceives: every number of a timestep, in its place."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.inner.rl2 import recurrent_network
from jmeta.networks import GRU, from_nnx
from jmeta.networks.perception import Perception
from jmeta.types import Discrete, Timestep

SEEN = jnp.array([0.5, -2.0])
TIMESTEP = Timestep(SEEN, jnp.array([0.0, 0.0, 1.0]), jnp.array(7.0), jnp.array(True), SEEN)


def seen(timestep: Timestep, **fields: bool) -> np.ndarray:
    network = from_nnx(lambda rngs: Perception(2, Discrete(3), rngs=rngs, **fields))
    return np.asarray(network.apply(network.init(jax.random.key(0)), timestep))


def test_it_sees_observation_last_action_its_reward_and_whether_an_episode_begins() -> None:
    np.testing.assert_array_equal(seen(TIMESTEP), [0.5, -2.0, 0.0, 0.0, 1.0, 7.0, 1.0])
    np.testing.assert_array_equal(seen(TIMESTEP._replace(first=jnp.array(False)))[-1:], [0.0])


def test_an_agent_that_lives_for_an_episode_is_not_told_of_the_one_before() -> None:
    np.testing.assert_array_equal(seen(TIMESTEP, hides_past=True), [0.5, -2.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    later = TIMESTEP._replace(first=jnp.array(False))
    np.testing.assert_array_equal(seen(later, hides_past=True), [0.5, -2.0, 0.0, 0.0, 1.0, 7.0, 0.0])


@pytest.mark.slow
@pytest.mark.parametrize("forgets", [False, True])
def test_memory_ends_with_an_episode_where_it_should_and_nowhere_else(forgets: bool) -> None:
    """Step by step and in one unroll, of which the third step begins an episode: it decides as a fresh agent would, or not."""
    network = recurrent_network(2, Discrete(3), lambda size, rngs: GRU(size, 4, rngs=rngs), forgets=forgets)
    theta = jax.tree.map(lambda x: x + 0.5, network.init(jax.random.key(0)))
    fresh = network.apply(theta, method="initial_memory")
    steps = jax.tree.map(lambda x: jnp.stack([x] * 4), TIMESTEP)._replace(first=jnp.array([True, False, True, False]))
    unrolled, _ = network.apply(theta, fresh, steps, method="unroll")
    memory, values = fresh, []
    for t in range(4):
        decision, memory = network.apply(theta, memory, jax.tree.map(lambda x, t=t: x[t], steps))
        values.append(float(decision.value))
    np.testing.assert_allclose(unrolled.value, values, rtol=1e-5)
    assert (abs(values[2] - values[0]) < 1e-6) == forgets
    assert abs(values[1] - values[0]) > 1e-3
