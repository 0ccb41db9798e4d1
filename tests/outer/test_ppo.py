"""PPO's loss term by term in NumPy, and what is left of its rates."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jmeta
from jmeta.outer.base import relative_weights
from jmeta.outer.on_policy import MetaBatch
from jmeta.outer.ppo import PPO
from jmeta.outer.schedules import left_of_share, remaining_rate
from jmeta.tasks import BernoulliBandit
from jmeta.types import Protocol, PyTree

SCORE = (0.25, 2.0)


def learner(**fields: Any) -> PPO:
    """RL² on two segments of four pulls, which count by SCORE."""
    outer = jmeta.algorithms.rl2(BernoulliBandit(num_arms=3, num_pulls=4), hidden_size=3, num_tasks=4, num_minibatches=1)
    settings = {"protocol": Protocol(2, 4, 1), "segment_weights": SCORE, "clip_epsilon": 0.1, "entropy_coefficient": 0.3}
    return dataclasses.replace(outer, **settings | fields)


@pytest.fixture(scope="module")
def lived() -> tuple[PyTree, MetaBatch]:
    """A theta, and what another one lived, of which some decisions count more than others."""
    outer = learner()
    state = outer.init(jax.random.key(0))
    group, _ = jax.jit(outer.gather)(state, jax.random.split(jax.random.key(1), 4))
    weight = 0.5 + (jnp.arange(group.credit.weight.size) % 3).reshape(group.credit.weight.shape)
    moved = jax.tree.map(lambda x: x + 0.4 * jnp.sin(1.0 + jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape), state.theta)
    return moved, group._replace(credit=group.credit._replace(weight=weight))


@pytest.mark.parametrize("remaining", [1.0, 0.75, 0.25])
def test_the_loss_by_hand(lived: tuple[PyTree, MetaBatch], remaining: float) -> None:
    """- sum_k score_k mean_t w [min(rho A, clip(rho) A) - value loss + c H]; c falls to 0 in half of the time: 0.3, 0.15, 0."""
    theta, group = lived
    outer = learner()
    loss, metrics = jax.jit(outer.loss)(theta, group, remaining)
    decisions = outer.decide_again(theta, group, (0, 1))
    logits, value = np.asarray(decisions.distribution.logits, np.float64), np.asarray(decisions.value, np.float64)
    action = np.asarray(group.lifetimes.segments.action)
    now = np.take_along_axis(logits, action[..., None], axis=-1)[..., 0]
    ratio = np.exp(now - np.asarray(group.behaviour, np.float64))
    assert (ratio < 0.9).any()
    assert (ratio > 1.1).any()
    advantage, weight, target = (np.asarray(x, np.float64) for x in group.credit)
    policy = np.minimum(ratio * advantage, np.clip(ratio, 0.9, 1.1) * advantage)
    entropy = -(np.exp(logits) * logits).sum(-1)

    def scored(term: np.ndarray) -> float:
        return float(np.dot((term * weight).mean((1, 2, 3)), SCORE))

    coefficient = {1.0: 0.3, 0.75: 0.15, 0.25: 0.0}[remaining]
    value_loss = 0.5 * 0.5 * (value - target) ** 2  # value_coefficient is 1/2
    assert float(loss) == pytest.approx(scored(-policy + value_loss - coefficient * entropy), rel=1e-4)
    assert float(metrics["policy/entropy"]) == pytest.approx(scored(entropy), rel=1e-4)
    assert float(metrics["policy/kl"]) == pytest.approx(scored(ratio - 1.0 - np.log(ratio)), rel=1e-3)
    assert float(metrics["policy/clipped"]) == pytest.approx(scored(np.abs(ratio - 1.0) > 0.1), rel=1e-4)


def test_an_outer_step_goes_down_the_loss_by_a_rate_that_falls() -> None:
    """With plain gradient descent theta moves by - rate * gradient, half of that at half of anneal_steps, and not at the end."""
    outer = learner(num_epochs=1, anneal_steps=10, learning_rate=0.5, max_gradient_norm=1e9, optimizer=optax.sgd)
    fresh = outer.init(jax.random.key(0))
    state = fresh._replace(extra=fresh.extra._replace(num_steps=jnp.int32(5)))
    keys = jax.random.split(jax.random.key(1), 4)
    experience, statistics = jax.jit(outer.gather)(state, keys)
    improve = jax.jit(outer.improve)
    after, _ = improve(state, experience, statistics)
    gradient, _ = jax.jit(outer.gradient)(state.theta, experience, 0.5)
    jax.tree.map(
        lambda new, old, g: np.testing.assert_allclose(new, old - 0.5 * 0.5 * g, atol=1e-6), after.theta, state.theta, gradient
    )
    assert float(optax.tree.norm(gradient)) > 1e-2
    assert int(after.extra.num_steps) == 6
    late = state._replace(extra=state.extra._replace(num_steps=jnp.int32(12)))
    jax.tree.map(np.testing.assert_array_equal, improve(late, experience, statistics)[0].theta, state.theta)


def test_what_is_left_of_a_rate() -> None:
    assert [float(remaining_rate(jnp.int32(step), 10)) for step in (0, 5, 10, 20)] == [1.0, 0.5, 0.0, 0.0]
    assert float(remaining_rate(jnp.int32(20), None)) == 1.0
    assert [float(left_of_share(0.5, remaining)) for remaining in (1.0, 0.75, 0.5, 0.25)] == [1.0, 0.5, 0.0, 0.0]


def test_weights_of_tasks_are_relative() -> None:
    """1, 2 and 6 over their mean 3."""
    weights = relative_weights(lambda task: task["weight"], {"weight": jnp.array([1.0, 2.0, 6.0])})
    np.testing.assert_allclose(weights, [1 / 3, 2 / 3, 2.0], rtol=1e-6)
