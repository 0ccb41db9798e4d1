"""Ratios of densities that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.objectives import density_ratio, effective_sample_size, fit_propensity


def test_the_ratio_of_two_gaussians_is_recovered() -> None:
    """N(m, 1) over N(0, 1) is exp(m.x - |m|^2 / 2): both within 4 standard errors, estimated over 20 draws of 2,000 and 3,000."""
    shift = jnp.array([1.0, -0.5])

    def fit(key: jax.Array) -> jax.Array:
        one, other = jax.random.split(key)
        ours, theirs = shift + jax.random.normal(one, (2000, 2)), jax.random.normal(other, (3000, 2))
        return fit_propensity(ours, theirs, strength=1e-6)

    w = np.asarray(jax.jit(jax.vmap(fit))(jax.random.split(jax.random.key(0), 20)), np.float64)
    error = np.abs(w.mean(0) - np.array([1.0, -0.5, -0.625]))
    assert (error < 4 * w.std(0, ddof=1) / np.sqrt(20)).all()
    assert (w.std(0) < 0.1).all()
    at = jnp.array([0.3, 0.2])
    assert float(density_ratio(jnp.asarray(w.mean(0)), at)) == pytest.approx(float(jnp.exp(shift @ at - 0.625)), rel=0.1)


def test_importance_weighting_by_it_moves_an_expectation() -> None:
    """The mean of the one kind, from samples of the other alone: 0.8 within 0.1 (a weighted mean of 20,000)."""
    one, other = jax.random.split(jax.random.key(1))
    ours, theirs = 0.8 + jax.random.normal(one, (20_000, 1)), jax.random.normal(other, (20_000, 1))
    ratio = jax.vmap(density_ratio, (None, 0))(fit_propensity(ours, theirs), theirs)
    assert float((ratio * theirs[:, 0]).sum() / ratio.sum()) == pytest.approx(0.8, abs=0.1)


def test_samples_without_weight_do_not_count() -> None:
    ours, theirs = jax.random.normal(jax.random.key(2), (2, 50, 3))
    padded = jnp.concatenate([ours, jnp.full((10, 3), 100.0)])
    weight = jnp.concatenate([jnp.ones(50), jnp.zeros(10)])
    np.testing.assert_allclose(fit_propensity(padded, theirs, weight), fit_propensity(ours, theirs), atol=1e-4)


def test_separate_kinds_stay_finite() -> None:
    w = fit_propensity(jnp.full((30, 2), 3.0), jnp.full((30, 2), -3.0))
    assert np.isfinite(np.asarray(w)).all()
    assert float(density_ratio(w, jnp.array([3.0, 3.0]))) > 10


def test_the_steps_reach_the_minimum() -> None:
    """There the gradient is 0: with p the probability of ours, the mean of (p - label) (x, 1) over both sets is -strength w."""
    one, other = jax.random.split(jax.random.key(3))
    ours, theirs = 2.0 + jax.random.normal(one, (40, 1)), jax.random.normal(other, (60, 1))
    w = fit_propensity(ours, theirs, strength=0.01)
    ours_error, theirs_error = (jax.nn.sigmoid(x @ w[:1] + w[1]) - label for x, label in ((ours, 1.0), (theirs, 0.0)))
    by_slope = (ours_error @ ours[:, 0] / 40 + theirs_error @ theirs[:, 0] / 60) / 2
    by_constant = (ours_error.mean() + theirs_error.mean()) / 2
    np.testing.assert_allclose([by_slope, by_constant], -0.01 * w, atol=1e-5)


def test_effective_sample_size() -> None:
    """All alike: all count. One of four: a quarter. (1, 1, 2): 16 / (3 * 6)."""
    assert float(effective_sample_size(jnp.full(5, 0.3))) == pytest.approx(1.0)
    assert float(effective_sample_size(jnp.array([0.0, 7.0, 0.0, 0.0]))) == pytest.approx(0.25)
    assert float(effective_sample_size(jnp.array([1.0, 1.0, 2.0]))) == pytest.approx(16 / 18)
