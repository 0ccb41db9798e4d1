"""Schedules over outer steps."""

import jax
import jax.numpy as jnp


def remaining_rate(num_steps: jax.Array, anneal_steps: int | None) -> jax.Array:
    """Returns the annealing factor after so many outer steps: 1 falling to 0 over ``anneal_steps``, or 1 if that is None."""
    if anneal_steps is None:
        return jnp.ones((), jnp.float32)
    return jnp.maximum(1.0 - num_steps.astype(jnp.float32) / anneal_steps, 0.0)


def left_of_share(share: float, remaining: jax.Array | float) -> jax.Array:
    """Returns the factor of a rate that reaches 0 after a share of ``anneal_steps``, from the learning rate's factor."""
    return jnp.maximum(1.0 - (1.0 - remaining) / share, 0.0)
