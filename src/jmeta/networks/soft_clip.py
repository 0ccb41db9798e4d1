"""An interval that can be left, slowly, and returned to."""

import jax
import jax.numpy as jnp


def soft_clip(x: jax.Array, low: float, high: float) -> jax.Array:
    """X itself in [low, high]; beyond it grows by the logarithm of what is in excess.

        low - log(1 + low - x)  for x < low,        high + log(1 + x - high)  for x > high

    The derivative is 1 in the interval and 1 / (1 + excess) outside, continuous and never 0: a parameter that a hard clip would
    leave without a gradient, for good, finds its way back.
    """
    return jnp.clip(x, low, high) + jnp.log1p(jnp.maximum(x - high, 0.0)) - jnp.log1p(jnp.maximum(low - x, 0.0))


def inverse_soft_clip(y: jax.Array, low: float, high: float) -> jax.Array:
    """The x of which ``soft_clip`` is y."""
    return jnp.clip(y, low, high) + jnp.expm1(jnp.maximum(y - high, 0.0)) - jnp.expm1(jnp.maximum(low - y, 0.0))
