"""Update rules, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jmeta.inner.meta_lstm import LSTMRule
from jmeta.inner.update_rules import GradientDescent, RatePerParameter, RatePerStep, UpdateRule
from jmeta.types import PyTree

WEIGHTS = {"a": jnp.array([1.0, 2.0]), "b": jnp.array(3.0)}
GRADIENT = {"a": jnp.array([0.5, -1.0]), "b": jnp.array(2.0)}
KEY = jax.random.key(0)


def steps(rule: UpdateRule, meta: PyTree, number: int) -> list[PyTree]:
    """The weights after each of that many updates with the same gradient."""
    weights, state, found = WEIGHTS, rule.begin(meta, WEIGHTS), []
    for k in range(number):
        weights, state = rule.update(meta, state, weights, GRADIENT, jnp.float32(0.3), jnp.int32(k))
        found.append(weights)
    return found


def test_gradient_descent_takes_the_rate_of_the_step_and_keeps_the_last() -> None:
    rule = GradientDescent(jnp.array([0.5, 0.1]))
    # a[0]: 1 - .5 * .5 = .75, then - .1 * .5 = .70, then .65
    np.testing.assert_allclose([float(w["a"][0]) for w in steps(rule, (), 3)], [0.75, 0.70, 0.65], rtol=1e-6)


def test_momentum_adds_up_gradients() -> None:
    rule = GradientDescent(jnp.array([0.1]), optax.trace(0.9))
    # b: directions 2, 2 + .9 * 2 = 3.8: 3 - .2 = 2.8, then 2.8 - .38 = 2.42
    np.testing.assert_allclose([float(w["b"]) for w in steps(rule, (), 2)], [2.8, 2.42], rtol=1e-6)


def test_adam_is_that_of_optax_and_has_finite_second_derivatives_at_a_gradient_of_zero() -> None:
    transform = optax.scale_by_adam(eps_root=1e-8)
    rule = GradientDescent(jnp.array([0.1]), transform)
    optimizer = optax.adam(0.1, eps_root=1e-8)
    state, weights = optimizer.init(WEIGHTS), WEIGHTS
    for _ in range(3):
        updates, state = optimizer.update(GRADIENT, state)
        weights = optax.apply_updates(weights, updates)
    np.testing.assert_allclose(steps(rule, (), 3)[-1]["a"], weights["a"], rtol=1e-5)

    def after(x: jax.Array) -> jax.Array:
        gradient = {"a": x * jnp.ones(2), "b": x}
        return rule.update((), rule.begin((), WEIGHTS), WEIGHTS, gradient, jnp.float32(0), jnp.int32(0))[0]["b"]

    assert np.isfinite(jax.grad(after)(0.0))
    assert np.isfinite(jax.grad(jax.grad(after))(0.0))


def test_rates_of_parameters_and_of_steps_are_meta_parameters() -> None:
    rule = RatePerParameter(0.5)
    rates = rule.init(WEIGHTS, KEY)
    assert jax.tree.map(jnp.shape, rates) == jax.tree.map(jnp.shape, WEIGHTS)
    rates["a"] = jnp.array([1.0, 0.1])
    # a: 1 - 1 * .5, 2 + .1 * 1;  b: 3 - .5 * 2
    (moved,) = steps(rule, rates, 1)
    np.testing.assert_allclose(moved["a"], [0.5, 2.1], rtol=1e-6)
    np.testing.assert_allclose(moved["b"], 2.0)

    rule = RatePerStep(jnp.array([0.5, 0.25]))
    rates = rule.init(WEIGHTS, KEY)
    rates["b"] = jnp.array([1.0, 0.1])
    # b: 3 - 2 = 1, - .2 = .8, - .2 = .6;  a[0]: .75, .625, .5
    moved = steps(rule, rates, 3)
    np.testing.assert_allclose([float(w["b"]) for w in moved], [1.0, 0.8, 0.6], rtol=1e-5)
    np.testing.assert_allclose([float(w["a"][0]) for w in moved], [0.75, 0.625, 0.5], rtol=1e-6)


def test_an_untrained_lstm_descends_at_its_initial_rate() -> None:
    rule = LSTMRule.create(hidden_size=4, initial_rate=0.2, initial_keep=0.999)
    (moved,) = steps(rule, rule.init(WEIGHTS, KEY), 1)
    # a: .999 * 1 - .2 * .5 = .899, .999 * 2 + .2 = 2.198;  gates differ a little by the random initial weights
    np.testing.assert_allclose(moved["a"], [0.899, 2.198], atol=0.02)


def test_the_lstm_remembers_and_treats_weights_alike() -> None:
    rule = LSTMRule.create(hidden_size=4)
    meta = jax.tree.map(lambda x: x + 0.3, rule.init(WEIGHTS, KEY))
    first, second = (
        jax.tree.map(jnp.subtract, b, a) for a, b in zip([WEIGHTS, *steps(rule, meta, 2)], steps(rule, meta, 2), strict=False)
    )
    assert abs(float(first["b"] - second["b"])) > 1e-4  # the same gradient, another update
    twins = {"a": jnp.array([1.5, 1.5]), "b": jnp.array(1.5)}
    slope = {"a": jnp.array([0.7, 0.7]), "b": jnp.array(0.7)}
    moved, _ = rule.update(meta, rule.begin(meta, twins), twins, slope, jnp.float32(0.1), jnp.int32(0))
    np.testing.assert_allclose(moved["a"], [float(moved["b"])] * 2, rtol=1e-6)


def test_the_lstm_equals_its_equations() -> None:
    """Two inner steps in NumPy: gradient and loss as (log |x| / 10, sign x) or, where tiny, (-1, e^10 x); an LSTM; two gates."""
    rule = LSTMRule.create(hidden_size=3)
    meta = jax.tree.map(lambda x: x + 0.4 * jnp.sin(jnp.arange(x.size)).reshape(x.shape), rule.init(WEIGHTS, KEY))
    slope = {"a": jnp.array([0.5, -1e-6]), "b": jnp.array(-2.0)}
    state, weights = rule.begin(meta, WEIGHTS), WEIGHTS
    p = jax.tree.map(lambda x: np.asarray(x, np.float64), meta)
    w, g = np.array([1.0, 2.0, 3.0]), np.array([0.5, -1e-6, -2.0])
    h, c, gates = np.zeros((3, 3)), np.zeros((3, 3)), {"keep": np.zeros(3), "rate": np.zeros(3)}
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    scaled = lambda x: [np.log(abs(x)) / 10, np.sign(x)] if abs(x) > np.exp(-10) else [-1.0, np.exp(10) * x]  # noqa: E731
    for step, loss in enumerate((0.3, -0.2)):
        weights, state = rule.update(meta, state, weights, slope, jnp.float32(loss), jnp.int32(step))
        x = np.array([scaled(each) + scaled(loss) for each in g])
        i, f, o, new = np.split(np.concatenate([x, h], axis=1) @ p["lstm"]["kernel"] + p["lstm"]["bias"], 4, axis=1)
        c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(new)
        h = sigmoid(o) * np.tanh(c)
        for name, gate in gates.items():
            seen = np.concatenate([h, w[:, None], gate[:, None]], axis=1)
            gates[name] = sigmoid(seen @ p[name]["kernel"] + p[name]["bias"])[:, 0]
        w = gates["keep"] * w - gates["rate"] * g
        np.testing.assert_allclose([*weights["a"], weights["b"]], w, rtol=1e-4)


def test_the_lstm_sees_the_gradient_as_a_constant() -> None:
    """So the derivative of an update in the gradient is minus the rate, and in the weight it is keep and through the gates."""
    rule = LSTMRule.create(hidden_size=4, initial_rate=0.2)
    meta = jax.tree.map(lambda x: x + 0.3, rule.init(WEIGHTS, KEY))
    state = rule.begin(meta, WEIGHTS)

    def moved(slope: jax.Array) -> tuple[jax.Array, jax.Array]:
        weights, gates = rule.update(meta, state, WEIGHTS, GRADIENT | {"b": slope}, jnp.float32(0.3), jnp.int32(0))
        return weights["b"], gates.rate[-1]

    (by_slope, _), (_, rate) = jax.jacrev(moved)(GRADIENT["b"]), moved(GRADIENT["b"])
    assert float(by_slope) == pytest.approx(-float(rate), rel=1e-5)
    assert float(rate) > 0.1


def test_an_lstm_of_no_use_is_refused() -> None:
    with pytest.raises(ValueError, match=r"initial_rate=1.5: give a number above 0 and below 1"):
        LSTMRule.create(initial_rate=1.5)
    with pytest.raises(ValueError, match="hidden_size=0"):
        LSTMRule.create(hidden_size=0)
