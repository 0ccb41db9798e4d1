"""Values that are computed outside of any trace, and kept."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.tasks.constant import constant, outside_of_traces


class Room:
    """Computes its goal when it is first asked for, and counts how often."""

    computed = 0

    @constant
    def goal(self) -> jax.Array:
        self.computed += 1
        return jnp.arange(3.0) + 1.0


def test_a_constant_that_is_first_asked_for_in_a_trace_is_no_tracer() -> None:
    room = Room()
    doubled = jax.jit(jax.vmap(lambda x: x * room.goal))(jnp.array([1.0, 2.0]))
    np.testing.assert_array_equal(doubled, [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]])
    assert not isinstance(room.goal, jax.core.Tracer)
    np.testing.assert_array_equal(room.goal, [1.0, 2.0, 3.0])
    assert room.computed == 1
    assert Room().computed == 0


def test_the_same_in_a_property_of_functools_keeps_a_tracer() -> None:
    """So that the test above would notice."""
    kept: list[Any] = []
    jax.jit(lambda x: kept.append(jnp.arange(3.0) + 1.0) or x)(1.0)
    assert isinstance(kept[0], jax.core.Tracer)


def test_what_is_traced_cannot_be_evaluated_outside() -> None:
    def outside(x: jax.Array) -> jax.Array:
        with outside_of_traces():
            inside = float(jnp.ones(2).sum())  # a number, at once
        return x + inside

    assert float(jax.jit(outside)(1.0)) == 3.0

    def needs_it(x: jax.Array) -> float:
        with outside_of_traces():
            return float(x)

    with pytest.raises(jax.errors.ConcretizationTypeError):
        jax.jit(needs_it)(1.0)
