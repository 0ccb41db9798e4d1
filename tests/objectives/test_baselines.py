"""The linear feature baseline against NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.objectives import critic_features, fit_linear_baseline, linear_features
from jmeta.objectives.baselines import RIDGE
from jmeta.objectives.linear import solve_positive_definite


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
    np.testing.assert_allclose(prediction, exact @ coefficients, atol=0.05)  # the ridge moves it by 0.02; noise has 1


def test_a_critic_need_not_know_the_units_of_returns() -> None:
    """Returns 3 v + 5 of a critic that says v: the fitted baseline is exact."""
    value = jnp.array([0.1, -0.4, 0.7, 0.2])
    target = 3.0 * value + 5.0
    features = critic_features(jnp.zeros((4, 2)), jnp.arange(4), value)
    np.testing.assert_allclose(fit_linear_baseline(features, target, jnp.ones(4)), target, rtol=1e-3)


def in_float64(features: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The same regression by NumPy's least squares: rows (x / s) / sqrt(M), below them sqrt(RIDGE) times the identity."""
    x, y = np.asarray(features, np.float64), np.asarray(target, np.float64)
    size = np.sqrt(np.square(x).mean(0))
    x = x / np.where(size > 0, size, 1.0)
    rows = np.concatenate([x / np.sqrt(len(x)), np.sqrt(RIDGE) * np.eye(x.shape[1])])
    coefficients, *_ = np.linalg.lstsq(rows, np.concatenate([y / np.sqrt(len(y)), np.zeros(x.shape[1])]), rcond=None)
    return x @ coefficients


@pytest.mark.parametrize("number", [20, 255, 256, 300, 2000, 40_000])
@pytest.mark.parametrize("kind", ["bandit", "one-hot", "constant", "one episode"])
def test_any_number_of_rows_and_any_observation_has_the_right_fit(kind: str, number: int) -> None:
    """A bandit's observation is always 0, a one-hot one adds up to the constant, and both repeat themselves when squared."""
    rng = np.random.default_rng(number)
    step = np.arange(number) if kind == "one episode" else np.arange(number) % 10
    observation = {
        "bandit": np.zeros((number, 1)),
        "one-hot": np.eye(9)[rng.integers(9, size=number)],
        "constant": np.full((number, 3), 7.0),
        "one episode": rng.normal(size=(number, 2)),
    }[kind]
    features = linear_features(jnp.array(observation, jnp.float32), jnp.array(step), jnp.zeros(number))
    target = (10.0 - step % 10 + observation.sum(1) * rng.normal() + rng.normal(size=number)).astype(np.float32)
    prediction = fit_linear_baseline(features, jnp.array(target), jnp.ones(number))
    np.testing.assert_allclose(prediction, in_float64(np.asarray(features), target), atol=3e-6 * np.abs(target).max())


def test_a_singular_system_has_a_finite_solution() -> None:
    """x + y = 2 twice: y is the unknown that is left out. A row of zeros: likewise."""
    matrix = jnp.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(solve_positive_definite(matrix, jnp.array([2.0, 2.0, 0.0])), [2.0, 0.0, 0.0])
