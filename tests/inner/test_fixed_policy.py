"""A policy that does not adapt: it decides by the observation, and by nothing that it could learn the task from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.inner.fixed_policy import FixedPolicy
from jmeta.types import Discrete, Timestep

SEEN = jnp.array([0.5, -2.0])
TIMESTEP = Timestep(SEEN, jnp.array([0.0, 1.0, 0.0]), jnp.array(0.0), jnp.array(False), SEEN)


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"observation": SEEN + 1.0}, False),
        ({"previous_action": jnp.array([1.0, 0.0, 0.0])}, True),
        ({"previous_reward": jnp.array(7.0)}, True),
        ({"first": jnp.array(True)}, True),
        ({"arrival": SEEN + 1.0}, True),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_it_decides_by_the_observation_alone(changed: dict[str, jax.Array], same: bool) -> None:
    """Step by step and in one unroll."""
    agent = FixedPolicy.create(2, Discrete(3), (4,))
    theta = agent.init(jax.random.key(0))
    other = TIMESTEP._replace(**changed)
    first, second = (agent.act(theta, (), (), timestep)[0] for timestep in (TIMESTEP, other))
    assert np.array_equal(first.distribution.logits, second.distribution.logits) == same
    assert np.array_equal(first.value, second.value) == same
    both = jax.tree.map(lambda *x: jnp.stack(x), TIMESTEP, other)
    unrolled, memory = agent.unroll(theta, (), (), both)
    np.testing.assert_allclose(unrolled.value, [first.value, second.value], rtol=1e-5)
    assert memory == ()
