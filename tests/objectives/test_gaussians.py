"""Gaussians against SciPy and numerical integration."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from jmeta.objectives import gaussian_kl, gaussian_log_density, gaussian_product


def test_log_density_is_scipys() -> None:
    value, mean, variance = np.array([0.3, -1.0]), np.array([0.1, 0.5]), np.array([0.25, 9.0])
    expected = scipy.stats.norm.logpdf(value, mean, np.sqrt(variance)).sum()
    got = gaussian_log_density(*(jnp.asarray(x, jnp.float32) for x in (value, mean, np.log(variance))))
    assert float(got) == pytest.approx(expected, rel=1e-5)


def test_divergence_is_that_of_the_integral() -> None:
    """One dimension by quadrature, two as the sum of both."""

    def by_quadrature(m: float, s: float, p: float, q: float) -> float:
        one, other = scipy.stats.norm(m, s), scipy.stats.norm(p, q)
        return scipy.integrate.quad(lambda x: one.pdf(x) * (one.logpdf(x) - other.logpdf(x)), -15, 15)[0]

    sets = [(0.5, 0.7, -0.2, 1.3), (-1.0, 2.0, 0.0, 1.0)]
    m, s, p, q = (jnp.asarray(column, jnp.float32) for column in zip(*sets, strict=True))
    got = gaussian_kl(m, 2 * jnp.log(s), p, 2 * jnp.log(q))
    assert float(got) == pytest.approx(sum(by_quadrature(*each) for each in sets), rel=1e-4)
    assert float(gaussian_kl(m, s, m, s)) == pytest.approx(0.0, abs=1e-6)


def test_a_product_is_proportional_to_the_product_of_densities() -> None:
    """Three factors, the second of them twice: log p(x) - sum of the factors' is the same at every x, and weight 0 is absence."""
    rng = np.random.default_rng(0)
    means, variances = rng.normal(size=(4, 2)), rng.uniform(0.2, 3.0, size=(4, 2))
    weight = np.array([1.0, 2.0, 1.0, 0.0])
    mean, variance = gaussian_product(*(jnp.asarray(x, jnp.float32) for x in (means, variances, weight)))
    x = np.linspace(-2, 2, 7)[:, None, None]
    factors = (weight[:, None] * scipy.stats.norm.logpdf(x, means, np.sqrt(variances))).sum(1)
    difference = scipy.stats.norm.logpdf(x[:, 0], np.asarray(mean), np.sqrt(np.asarray(variance))) - factors
    np.testing.assert_allclose(difference, np.broadcast_to(difference[:1], difference.shape), atol=1e-4)
