"""Linear feature baselines: predictions of a step's return, fitted to the data of one task."""

import chex
import jax
import jax.numpy as jnp

from jmeta.objectives.linear import solve_positive_definite

RIDGE = 1e-5  # relative to the mean square of a feature
ROWS_AT_ONCE = 128  # rows that are added up in one block of a sum


def critic_features(observation: jax.Array, step: jax.Array, value: jax.Array) -> jax.Array:
    """Returns [T, 2]: a critic's value and a constant. The fit to the task's returns determines the scale and offset.

    Args:
      observation: [T, D]; not used.
      step: [T]; not used.
      value: [T] of a critic.
    """
    chex.assert_equal_shape([step, value])
    return jnp.stack([value, jnp.ones_like(value)], axis=1)


def linear_features(observation: jax.Array, step: jax.Array, value: jax.Array) -> jax.Array:
    """Returns [T, 2 * D + 4]: the observation, its square, the time in the episode up to its third power, and a constant.

    Args:
      observation: [T, D]; clipped to [-10, 10].
      step: [T] steps since the episode began; divided by 100.
      value: [T] of a critic; not used.

    References:
      Duan et al. 2016, arXiv 1604.06778, as used by MAML.
    """
    chex.assert_rank([observation, step], [2, 1])
    o = jnp.clip(observation, -10.0, 10.0)
    h = step.astype(o.dtype)[:, None] / 100.0
    return jnp.concatenate([o, o**2, h, h**2, h**3, jnp.ones_like(h)], axis=1)


def fit_linear_baseline(features: jax.Array, target: jax.Array, weight: jax.Array) -> jax.Array:
    """Fits ``target`` by a weighted ridge regression on ``features``.

        minimise  mean (target - features c)^2  +  RIDGE * sum_f s_f^2 c_f^2,   s_f^2 the mean square of feature f

    The penalty is relative to each feature, so neither the number of rows nor the units of a feature matter. Features may be
    constant, repeated or always zero.

    Args:
      features: [M, F].
      target: [M].
      weight: [M], non-negative; rows of weight 0 do not count. If all are 0 the prediction is 0.

    Returns:
      The prediction for every row [M].

    References:
      Duan et al. 2016, arXiv 1604.06778; their code raises the ridge until the solution is finite.
    """
    chex.assert_rank([features, target, weight], [2, 1, 1])
    total = weight.sum()
    share = weight / jnp.where(total > 0, total, 1.0)
    gram = _over_rows(features, features * share[:, None])
    size = jnp.sqrt(jnp.diagonal(gram))
    unit = 1.0 / jnp.where(size > 0, size, 1.0)
    gram = gram * jnp.outer(unit, unit) + RIDGE * jnp.eye(len(unit), dtype=unit.dtype)

    def predict(c: jax.Array) -> jax.Array:
        return jnp.matmul(features, unit * c, precision=jax.lax.Precision.HIGHEST)

    def moment(x: jax.Array) -> jax.Array:
        return unit * _over_rows(features, (share * x)[:, None])[:, 0]

    c = solve_positive_definite(gram, moment(target))
    c = c + solve_positive_definite(gram, moment(target - predict(c)) - RIDGE * c)  # corrects rounding errors of the first
    return predict(c)


def _over_rows(a: jax.Array, b: jax.Array) -> jax.Array:
    """Returns the transpose of a [M, F] times b [M, G], in full precision.

    Rows are added up in blocks: the rounding error of one long float32 sum would exceed the ridge.
    """
    blocks = -(-len(a) // ROWS_AT_ONCE)
    whole = [jnp.pad(x, ((0, blocks * ROWS_AT_ONCE - len(x)), (0, 0))).reshape(blocks, ROWS_AT_ONCE, -1) for x in (a, b)]
    return jnp.einsum("bmf,bmg->bfg", *whole, precision=jax.lax.Precision.HIGHEST).sum(0)
