"""Soft clipping with a derivative that is never zero."""

import jax
import jax.numpy as jnp


def soft_clip(x: jax.Array, low: float, high: float) -> jax.Array:
    """Clips x to [low, high] softly: outside the interval, the result grows with the logarithm of the excess.

        low - log(1 + low - x)  for x < low,        high + log(1 + x - high)  for x > high

    The derivative is 1 in the interval and 1 / (1 + excess) outside. It is continuous and never 0, so that a parameter outside
    the interval can return. A hard clip would leave it without a gradient.
    """
    return jnp.clip(x, low, high) + jnp.log1p(jnp.maximum(x - high, 0.0)) - jnp.log1p(jnp.maximum(low - x, 0.0))


def inverse_soft_clip(y: jax.Array, low: float, high: float) -> jax.Array:
    """Returns the x for which ``soft_clip`` is y."""
    return jnp.clip(y, low, high) + jnp.expm1(jnp.maximum(y - high, 0.0)) - jnp.expm1(jnp.maximum(low - y, 0.0))
