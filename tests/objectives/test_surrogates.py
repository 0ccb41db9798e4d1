"""Surrogates against exact enumeration: derivatives right where they should be, and wrong by the predicted amount elsewhere.

Fixtures: softmax policies over logits, REINFORCE without baseline.
"""

import itertools
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.objectives import (
    clipped_surrogate,
    dice,
    likelihood_ratio,
    loaded_dice,
    low_variance_curvature,
    mixed_mode_grad,
    naive,
)

Surrogate = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


@pytest.fixture(autouse=True)
def _double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


# G1: a three-armed bandit.

THETA_1 = np.array([0.1, -0.2, 0.3])
REWARD_1 = np.array([1.0, 0.0, 0.5])
ALPHA_1 = 0.7


def value_1(theta: jax.Array) -> jax.Array:
    return jax.nn.softmax(theta) @ REWARD_1


def enumerated_loss(surrogate: Surrogate) -> Callable[[jax.Array, None, jax.Array], jax.Array]:
    """Minus the surrogate's expectation over the pull, whose sampling probabilities are constants."""

    def loss(theta: jax.Array, _: None, reward: jax.Array) -> jax.Array:
        log_pi = jax.nn.log_softmax(theta)
        of_pull = jax.vmap(lambda w, r: surrogate(w[None], r[None], jnp.array([True])))(log_pi, reward)
        return -jnp.sum(jax.lax.stop_gradient(jnp.exp(log_pi)) * of_pull)

    return loss


@pytest.mark.parametrize("surrogate", [low_variance_curvature, dice, loaded_dice])
@pytest.mark.parametrize("grad", [jax.grad, mixed_mode_grad], ids=["reverse", "mixed"])
def test_meta_gradient_of_an_exact_inner_step(surrogate: Surrogate, grad: Callable) -> None:
    """G1: V = .54375, J = .57354 and the meta-gradient, to 1e-6."""
    inner_gradient = grad(enumerated_loss(surrogate))

    def adapted_value(theta: jax.Array) -> jax.Array:
        return value_1(theta - ALPHA_1 * inner_gradient(theta, None, jnp.asarray(REWARD_1)))

    theta = jnp.asarray(THETA_1)
    np.testing.assert_allclose(value_1(theta), 0.5437478805885, atol=1e-10)
    np.testing.assert_allclose(
        -inner_gradient(theta, None, jnp.asarray(REWARD_1)), [0.1540236609, -0.1359852422, -0.0180384186], atol=1e-9
    )
    np.testing.assert_allclose(adapted_value(theta), 0.5735418607946, atol=1e-10)
    np.testing.assert_allclose(jax.grad(adapted_value)(theta), [0.1647620833, -0.1233469566, -0.0414151267], atol=1e-9)


def test_first_order_meta_gradient() -> None:
    inner_gradient = jax.grad(enumerated_loss(low_variance_curvature))

    def adapted_value(theta: jax.Array) -> jax.Array:
        return value_1(theta - ALPHA_1 * jax.lax.stop_gradient(inner_gradient(theta, None, jnp.asarray(REWARD_1))))

    expected = [0.1586811058, -0.1290509187, -0.0296301871]
    np.testing.assert_allclose(jax.grad(adapted_value)(jnp.asarray(THETA_1)), expected, atol=1e-9)


@pytest.mark.slow
def test_the_naive_surrogate_is_wrong_when_differentiated_twice() -> None:
    """``log_prob * reward``, as the original code has it: its second derivative lacks grad w grad w^T."""
    theta, reward = jnp.asarray(THETA_1), jnp.asarray(REWARD_1)
    exact = jax.hessian(value_1)(theta)
    right = -jax.hessian(enumerated_loss(low_variance_curvature))(theta, None, reward)
    wrong = -jax.hessian(enumerated_loss(naive))(theta, None, reward)
    score = jax.jacobian(jax.nn.log_softmax)(theta)
    missing = jnp.einsum("a,ai,aj->ij", jax.nn.softmax(theta) * reward, score, score)
    np.testing.assert_allclose(right, exact, atol=1e-10)
    np.testing.assert_allclose(exact - wrong, missing, atol=1e-10)
    assert jnp.abs(missing).max() > 0.1


# G2: a two-state, two-action MDP with two steps.

LOGITS_2 = np.array([[0.2, -0.1], [0.0, 0.3]])
REWARD_2 = np.array([[1.0, 0.0], [0.5, 2.0]])
TRANSITION_2 = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.5, 0.5], [0.3, 0.7]]])


def value_2(theta: jax.Array) -> jax.Array:
    pi = jax.nn.softmax(theta.reshape(2, 2))
    last = (pi * REWARD_2).sum(1)
    return pi[0] @ (REWARD_2[0] + TRANSITION_2[0] @ last)


def expected_surrogate(surrogate: Surrogate) -> Callable[[jax.Array], jax.Array]:
    """The surrogate's expectation over all eight trajectories (a0, s1, a1), advantages = rewards-to-go; DiCE takes rewards."""

    def expectation(theta: jax.Array) -> jax.Array:
        log_pi = jax.nn.log_softmax(theta.reshape(2, 2))
        total = jnp.zeros(())
        for a0, s1, a1 in itertools.product(range(2), repeat=3):
            log_prob = jnp.stack([log_pi[0, a0], log_pi[s1, a1]])
            probability = jax.lax.stop_gradient(jnp.exp(log_prob.sum())) * TRANSITION_2[0, a0, s1]
            rewards = jnp.array([REWARD_2[0, a0], REWARD_2[s1, a1]])
            worth = rewards if surrogate is dice else jnp.cumsum(rewards[::-1])[::-1]
            total += probability * surrogate(log_prob, worth, jnp.array([True, False]))
        return total

    return expectation


def behaving_so(log_prob: jax.Array, advantage: jax.Array, first: jax.Array) -> jax.Array:
    """The likelihood ratio to the policy itself."""
    return likelihood_ratio(log_prob, jax.lax.stop_gradient(log_prob), advantage).sum()


@pytest.mark.slow
def test_two_step_mdp_gradients_are_unbiased() -> None:
    theta = jnp.asarray(LOGITS_2).reshape(-1)
    np.testing.assert_allclose(value_2(theta), 1.4621126876716, atol=1e-10)
    expected = [0.25693910, -0.25693910, -0.14590136, 0.14590136]
    np.testing.assert_allclose(jax.grad(value_2)(theta), expected, atol=1e-8)
    for surrogate in (low_variance_curvature, dice, loaded_dice, naive, behaving_so):
        np.testing.assert_allclose(jax.grad(expected_surrogate(surrogate))(theta), expected, atol=1e-8)


@pytest.mark.slow
def test_two_step_mdp_hessians_err_by_the_predicted_amount() -> None:
    """DiCE not at all, LVC by at most .0837, ``log_prob * advantage`` by .487."""
    theta = jnp.asarray(LOGITS_2).reshape(-1)
    exact = jax.hessian(value_2)(theta)

    def error(surrogate: Surrogate) -> float:
        return float(jnp.abs(jax.hessian(expected_surrogate(surrogate))(theta) - exact).max())

    assert max(error(dice), error(loaded_dice)) < 1e-12
    assert error(low_variance_curvature) == pytest.approx(0.0837, abs=5e-5)
    assert error(naive) == pytest.approx(0.487, abs=5e-4)


@pytest.mark.parametrize("surrogate", [dice, loaded_dice])
def test_meta_gradient_of_dice_on_the_mdp_is_exact(surrogate: Surrogate) -> None:
    gradient = mixed_mode_grad(lambda theta, *_: expected_surrogate(surrogate)(theta))
    theta = jnp.asarray(LOGITS_2).reshape(-1)

    def adapted_value(theta: jax.Array) -> jax.Array:
        return value_2(theta + 0.5 * gradient(theta, None, None))

    np.testing.assert_allclose(adapted_value(theta), 1.5479289, atol=1e-7)
    expected = [0.25832145, -0.25832145, -0.10797878, 0.10797878]
    np.testing.assert_allclose(jax.grad(adapted_value)(theta), expected, atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("num_steps", [1, 2, 3])
@pytest.mark.parametrize("grad", [jax.grad, mixed_mode_grad], ids=["reverse", "mixed"])
@pytest.mark.parametrize("surrogate", [dice, low_variance_curvature, naive])
def test_meta_gradients_of_several_steps_equal_central_differences(surrogate: Surrogate, grad: Callable, num_steps: int) -> None:
    """Of K exact inner steps, differentiated through DiCE's second derivative, to 1e-6; the others miss by what they lack."""
    inner_gradient = grad(lambda theta, *_: expected_surrogate(surrogate)(theta))

    def adapted_value(theta: jax.Array) -> jax.Array:
        for _ in range(num_steps):
            theta = theta + 0.5 * inner_gradient(theta, None, None)
        return value_2(theta)

    theta, step = jnp.asarray(LOGITS_2).reshape(-1), 1e-5
    central = np.array([(adapted_value(theta + step * e) - adapted_value(theta - step * e)) / (2 * step) for e in np.eye(4)])
    miss = np.abs(jax.grad(adapted_value)(theta) - central).max()
    assert miss < 1e-6 if surrogate is dice else miss > 1e-3


@pytest.mark.slow
def test_loaded_dice_starts_anew_with_each_episode() -> None:
    """Two episodes in one record count as two records."""
    rng = np.random.default_rng(0)
    features, advantage = jnp.asarray(rng.normal(size=(5, 3))), jnp.asarray(rng.normal(size=5))
    first = jnp.array([True, False, True, False, False])

    def joint(theta: jax.Array) -> jax.Array:
        return loaded_dice(features @ theta, advantage, first)

    def apart(theta: jax.Array) -> jax.Array:
        w = features @ theta
        return loaded_dice(w[:2], advantage[:2], first[:2]) + loaded_dice(w[2:], advantage[2:], first[2:])

    theta = jnp.asarray(rng.normal(size=3))
    np.testing.assert_allclose(jax.grad(joint)(theta), jax.grad(apart)(theta), atol=1e-12)
    np.testing.assert_allclose(jax.hessian(joint)(theta), jax.hessian(apart)(theta), atol=1e-12)
    one_episode = jax.hessian(lambda t: loaded_dice(features @ t, advantage, first.at[2].set(False)))(theta)
    assert jnp.abs(one_episode - jax.hessian(joint)(theta)).max() > 0.1


@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_mixed_mode_equals_central_differences(num_steps: int) -> None:
    """K inner steps on a smooth loss, to 1e-6."""
    rng = np.random.default_rng(num_steps)
    data = jnp.asarray(rng.normal(size=(6, 4)))

    def loss(w: jax.Array, _: None, x: jax.Array) -> jax.Array:
        return jnp.mean(jnp.tanh(x @ w) ** 2 + 0.1 * jnp.sin(x @ w))

    gradient = mixed_mode_grad(loss)

    def outer(w: jax.Array) -> jax.Array:
        for _ in range(num_steps):
            w = w - 0.4 * gradient(w, None, data)
        return loss(w, None, data[::-1] * 1.3)

    w = jnp.asarray(rng.normal(size=4))
    step = 1e-5
    central = [(outer(w + step * e) - outer(w - step * e)) / (2 * step) for e in np.eye(4)]
    np.testing.assert_allclose(jax.grad(outer)(w), central, atol=1e-6, rtol=1e-6)


def test_derivatives_of_dice_stop_at_the_end_of_an_episode() -> None:
    """Two episodes of two steps: the gradient in w_t is the episode's reward-to-go, and no second derivative couples the two."""
    first, reward, w = jnp.array([True, False, True, False]), jnp.array([1.0, 2.0, 4.0, 8.0]), jnp.array([-0.1, -0.2, -0.3, -0.4])
    np.testing.assert_allclose(jax.grad(dice)(w, reward, first), [3.0, 2.0, 12.0, 8.0])
    np.testing.assert_allclose(jax.hessian(dice)(w, reward, first)[:2, 2:], 0.0)
    np.testing.assert_allclose(jax.hessian(dice)(w, reward, first)[2:, 2:], [[12.0, 8.0], [8.0, 8.0]])
    # sum_t [box(w_<=t) - box(w_<t)] A_t: in w_t A_t once, and twice A_max(s, t) within the episode, the diagonal A_t too.
    np.testing.assert_allclose(jax.grad(loaded_dice)(w, reward, first), reward)
    expected = np.array([[1.0, 2.0, 0.0, 0.0], [2.0, 2.0, 0.0, 0.0], [0.0, 0.0, 4.0, 8.0], [0.0, 0.0, 8.0, 8.0]])
    np.testing.assert_allclose(jax.hessian(loaded_dice)(w, reward, first), expected)


@pytest.mark.parametrize("surrogate", [dice, loaded_dice, low_variance_curvature, naive])
def test_what_decisions_were_worth_is_a_constant(surrogate: Surrogate) -> None:
    w, worth, first = jnp.array([-0.3, -0.7]), jnp.array([1.0, -2.0]), jnp.array([True, False])
    np.testing.assert_array_equal(jax.grad(surrogate, argnums=1)(w, worth, first), [0.0, 0.0])
    assert np.abs(jax.grad(surrogate)(w, worth, first)).min() > 0.5


def test_the_likelihood_ratio_by_hand() -> None:
    """Ratio 3/2 of an advantage of -2: -3, and so is its derivative in the log-probability."""
    value, slope = jax.value_and_grad(likelihood_ratio)(np.log(0.3), np.log(0.2), -2.0)
    assert (float(value), float(slope)) == (pytest.approx(-3.0), pytest.approx(-3.0))


def test_clipped_surrogate_by_hand() -> None:
    log = np.log
    # ratio 1.5 with epsilon .2: a gain is cut to 1.2 A, a loss is not.  ratio .5: a loss is cut to .8 A, a gain is not.
    for ratio, advantage, expected in ((1.5, 2.0, 2.4), (1.5, -2.0, -3.0), (0.5, -2.0, -1.6), (0.5, 2.0, 1.0)):
        assert clipped_surrogate(log(ratio), 0.0, advantage, 0.2) == pytest.approx(expected)


def test_chunks_and_derivatives_add_up() -> None:
    """The gradient of a sum over three chunks, and its derivatives in parameters and others: chunk by chunk, mixed, reverse."""
    parameters, others, data = jnp.array([0.5, -1.0]), jnp.array(2.0), jnp.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.25]])

    def loss(parameters: jax.Array, others: jax.Array, data: jax.Array) -> jax.Array:
        return jnp.sum(others * data * parameters**3)

    found = []
    for gradient in (mixed_mode_grad(loss, chunked=True), mixed_mode_grad(loss), jax.grad(loss)):
        found.append([gradient(parameters, others, data), *jax.jacrev(gradient, argnums=(0, 1))(parameters, others, data)])
    *mixed, reverse = found
    for each in mixed:
        jax.tree.map(np.testing.assert_allclose, each, reverse)
