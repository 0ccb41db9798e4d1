"""Density ratios of two distributions, estimated from samples of both."""

from functools import partial

import chex
import jax
import jax.numpy as jnp

from jmeta.objectives.linear import solve_positive_definite


def fit_propensity(
    ours: jax.Array,
    theirs: jax.Array,
    our_weight: jax.Array | None = None,
    their_weight: jax.Array | None = None,
    *,
    strength: float = 1e-3,
    num_steps: int = 8,
) -> jax.Array:
    """Fits a logistic regression that classifies samples as ours or theirs, by Newton's method.

        minimise  mean over both sets of log(1 + exp(-z_i w.(x_i, 1)))  +  strength / 2 |w|^2,   z = 1 ours, -1 theirs

    Each set has half of the total weight, whatever its size.

    Args:
      ours: [N, F] samples of the target distribution.
      theirs: [M, F] samples of the distribution to be reweighted.
      our_weight: [N]; rows of weight 0 do not count. Equal by default.
      their_weight: [M], likewise.
      strength: factor of the penalty, above 0.
      num_steps: steps of Newton's method.

    Returns:
      Weights w [F + 1]; the last one belongs to the constant.

    References:
      Fakoor et al. 2020, arXiv 1910.00125, equation 13.
    """
    chex.assert_rank([ours, theirs], 2)
    our_weight = jnp.ones(len(ours), ours.dtype) if our_weight is None else our_weight
    their_weight = jnp.ones(len(theirs), theirs.dtype) if their_weight is None else their_weight
    features = jnp.concatenate([ours, theirs])
    features = jnp.concatenate([features, jnp.ones((len(features), 1), features.dtype)], axis=1)
    label = jnp.concatenate([jnp.ones(len(ours), ours.dtype), jnp.zeros(len(theirs), theirs.dtype)])
    share = jnp.concatenate([weight / jnp.maximum(weight.sum(), 1e-6) for weight in (our_weight, their_weight)]) / 2.0

    product = partial(jnp.matmul, precision="highest")  # on accelerators too: errors of w are errors of every weight

    def newton(_: int, w: jax.Array) -> jax.Array:
        probability = jax.nn.sigmoid(product(features, w))
        gradient = product(features.T, share * (probability - label)) + strength * w
        curvature = product((features * (share * probability * (1.0 - probability))[:, None]).T, features)
        return w - solve_positive_definite(curvature + strength * jnp.eye(len(w)), gradient)

    return jax.lax.fori_loop(0, num_steps, newton, jnp.zeros(features.shape[1], features.dtype))


def density_ratio(w: jax.Array, features: jax.Array) -> jax.Array:
    """Returns the density ratio ours / theirs [] at features [F], from the weights [F + 1] of ``fit_propensity``."""
    chex.assert_rank([w, features], 1)
    return jnp.exp(jnp.matmul(features, w[:-1], precision="highest") + w[-1])


def effective_sample_size(weights: jax.Array) -> jax.Array:
    """Returns the effective sample size of weights [N] as a share of N, [] in (0, 1]: (sum w)^2 / (N sum w^2).

    References:
      Kong 1992; Fakoor et al. 2020, arXiv 1910.00125, equation 9.
    """
    chex.assert_rank(weights, 1)
    return jnp.square(weights.sum()) / (len(weights) * jnp.maximum(jnp.square(weights).sum(), 1e-12))
