"""Action spaces: an action as the agent observes it at the next step."""

import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.action_spaces import Continuous, Discrete


def test_one_of_a_few_actions_is_one_hot() -> None:
    space = Discrete(3)
    assert space.encoding_size == 3
    np.testing.assert_array_equal(space.encode(jnp.int32(2)), [0.0, 0.0, 1.0])
    assert space.encode(jnp.int32(2)).dtype == jnp.float32


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (Continuous(2), [0.5, -1.0]),
        (Continuous(2, low=-jnp.inf, high=0.25), [0.25, -3.0]),
        (Continuous(2, low=(0.75, -2.0), high=(1.0, jnp.inf)), [0.75, -2.0]),
    ],
    ids=str,
)
def test_an_action_of_a_box_is_clipped_as_it_is_carried_out(space: Continuous, expected: list[float]) -> None:
    assert space.encoding_size == 2
    np.testing.assert_array_equal(space.encode(jnp.array([0.5, -3.0])), expected)


def test_bounds_are_shown_where_they_are_not_the_usual_ones() -> None:
    assert repr(Continuous(2)) == "Continuous(size=2)"
    assert repr(Continuous(2, high=3.0)) == "Continuous(size=2, low=-1.0, high=3.0)"
