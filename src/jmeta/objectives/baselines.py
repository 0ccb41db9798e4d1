"""Linear feature baselines: what return a step could expect, from the task's own data alone."""

import chex
import jax
import jax.numpy as jnp

from jmeta.objectives.linear import solve_positive_definite

RIDGE = 1e-5


def critic_features(observation: jax.Array, step: jax.Array, value: jax.Array) -> jax.Array:
    """[T, 2]: what a critic says, and a constant. Fitted to the task's returns, it need not know their units.

    Args:
      observation: [T, D].
      step: [T].
      value: [T] of a critic.
    """
    chex.assert_equal_shape([step, value])
    return jnp.stack([value, jnp.ones_like(value)], axis=1)


def linear_features(observation: jax.Array, step: jax.Array, value: jax.Array) -> jax.Array:
    """[T, 2 * D + 4]: the observation, its square, and the time of the episode to the third power.

    Args:
      observation: [T, D]; clipped to [-10, 10].
      step: [T] steps since the episode began; counted in hundreds.
      value: [T] of a critic; not used.

    References:
      Duan et al. 2016, arXiv 1604.06778, as used by MAML.
    """
    chex.assert_rank([observation, step], [2, 1])
    o = jnp.clip(observation, -10.0, 10.0)
    h = step.astype(o.dtype)[:, None] / 100.0
    return jnp.concatenate([o, o**2, h, h**2, h**3, jnp.ones_like(h)], axis=1)


def fit_linear_baseline(features: jax.Array, target: jax.Array, weight: jax.Array) -> jax.Array:
    """Weighted ridge regression of ``target`` on ``features``.

    Args:
      features: [M, F].
      target: [M].
      weight: [M], non-negative; rows of weight 0 do not count.

    Returns:
      The prediction for every row [M].
    """
    chex.assert_rank([features, target, weight], [2, 1, 1])
    gram = (features * weight[:, None]).T @ features + RIDGE * jnp.eye(features.shape[1], dtype=features.dtype)
    moment = features.T @ (target * weight)
    return features @ solve_positive_definite(gram, moment)
