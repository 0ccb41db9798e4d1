"""Diagonal Gaussians, given by mean and log-variance."""

import chex
import jax
import jax.numpy as jnp


def gaussian_kl(mean: jax.Array, log_variance: jax.Array, prior_mean: jax.Array, prior_log_variance: jax.Array) -> jax.Array:
    """Returns KL(N(mean, variance) || N(prior mean, prior variance)), [D] each, summed over dimensions.

        1/2 sum [log(s_p / s) + (s + (m - m_p)^2) / s_p - 1],   s the variances

    References:
      Kingma and Welling 2014, arXiv 1312.6114, appendix B, for a standard normal prior.
    """
    chex.assert_equal_shape([mean, log_variance, prior_mean, prior_log_variance])
    ratio = jnp.exp(log_variance - prior_log_variance)
    distance = jnp.square(mean - prior_mean) * jnp.exp(-prior_log_variance)
    return 0.5 * jnp.sum(prior_log_variance - log_variance + ratio + distance - 1.0)


def gaussian_log_density(value: jax.Array, mean: jax.Array, log_variance: jax.Array) -> jax.Array:
    """Returns log N(value; mean, variance), [D] each, summed over dimensions."""
    chex.assert_equal_shape([value, mean, log_variance])
    square = jnp.square(value - mean) * jnp.exp(-log_variance)
    return -0.5 * jnp.sum(square + log_variance + jnp.log(2.0 * jnp.pi))


def gaussian_product(means: jax.Array, variances: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the normalised product of Gaussians; precisions add up, and so do means times precisions.

    Args:
      means: [N, D] of the factors.
      variances: [N, D].
      weight: [N], how often each factor counts; at least one is above 0.

    Returns:
      (mean [D], variance [D]).

    References:
      Rakelly et al. 2019, arXiv 1903.08254, section 4.1.
    """
    chex.assert_rank([means, variances, weight], [2, 2, 1])
    precision = jnp.matmul(weight, 1.0 / variances, precision="highest")
    return jnp.matmul(weight, means / variances, precision="highest") / precision, 1.0 / precision
