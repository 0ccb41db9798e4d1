"""The linear feature baseline against NumPy."""

import jax.numpy as jnp
import numpy as np

from jmeta.objectives import critic_features, fit_linear_baseline, linear_features


def test_features_by_hand() -> None:
    features = linear_features(jnp.array([[2.0, -20.0]]), jnp.array([50]), jnp.zeros(1))
    # observation clipped to [-10, 10], squares, h = 50 / 100 to the third power, and one
    np.testing.assert_allclose(features, [[2.0, -10.0, 4.0, 100.0, 0.5, 0.25, 0.125, 1.0]])


def test_fit_equals_weighted_least_squares() -> None:
    rng = np.random.default_rng(0)
    features, target = rng.normal(size=(50, 6)).astype(np.float32), rng.normal(size=50).astype(np.float32)
    weight = (rng.uniform(size=50) < 0.6).astype(np.float32)
    coefficients, *_ = np.linalg.lstsq(features[weight > 0], target[weight > 0], rcond=None)
    prediction = fit_linear_baseline(jnp.array(features), jnp.array(target), jnp.array(weight))
    np.testing.assert_allclose(prediction, features @ coefficients, atol=1e-4)


def test_rows_without_weight_do_not_count() -> None:
    features = jnp.array([[1.0], [1.0], [1.0]])
    prediction = fit_linear_baseline(features, jnp.array([2.0, 4.0, 1000.0]), jnp.array([1.0, 1.0, 0.0]))
    np.testing.assert_allclose(prediction, [3.0, 3.0, 3.0], rtol=1e-4)


def test_no_weight_at_all_is_finite() -> None:
    prediction = fit_linear_baseline(jnp.ones((3, 2)), jnp.ones(3), jnp.zeros(3))
    np.testing.assert_allclose(prediction, 0.0)


def test_fit_is_accurate_where_features_are_nearly_dependent() -> None:
    """An episode of point navigation: the position, its square and the powers of time; the Gram matrix has condition 1e7."""
    rng = np.random.default_rng(1)
    steps = np.tile(np.arange(100), 20)
    observation = np.cumsum(rng.normal(scale=0.05, size=(2000, 2)), axis=0).astype(np.float32)
    features = np.asarray(linear_features(jnp.array(observation), jnp.array(steps), jnp.zeros(len(steps))))
    target = (-50 + 0.4 * steps + rng.normal(size=2000)).astype(np.float32)
    exact = features.astype(np.float64)
    coefficients = np.linalg.solve(exact.T @ exact + 1e-5 * np.eye(8), exact.T @ target)
    prediction = fit_linear_baseline(jnp.array(features), jnp.array(target), jnp.ones(2000))
    np.testing.assert_allclose(prediction, exact @ coefficients, atol=0.02)


def test_a_critic_need_not_know_the_units_of_returns() -> None:
    """Returns 3 v + 5 of a critic that says v: the fitted baseline is exact."""
    value = jnp.array([0.1, -0.4, 0.7, 0.2])
    target = 3.0 * value + 5.0
    features = critic_features(jnp.zeros((4, 2)), jnp.arange(4), value)
    np.testing.assert_allclose(fit_linear_baseline(features, target, jnp.ones(4)), target, rtol=1e-3)
