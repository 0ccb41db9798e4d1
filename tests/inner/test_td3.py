"""TD3's loss of a step and its derivatives against arithmetic by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.inner.q_learner import Step
from jmeta.inner.td3 import TD3
from jmeta.networks import Network
from jmeta.types import Continuous

# Features are one number x. The action is w x; critic i says c[i, 0] x + c[i, 1] a.
AGENT = TD3(
    1,
    Continuous(1),
    actor=Network(init=lambda key: jnp.zeros(()), apply=lambda w, x: w * x),
    critic=Network(init=lambda key: jnp.zeros(()), apply=lambda c, x, a: c[:, 0] * x[0] + c[:, 1] * a[0]),
    discount=0.9,
    reward_scale=0.5,
    target_policy_noise=0.2,
    noise_clip=0.5,
)
PARAMETERS = {"actor": jnp.array(0.2), "critic": jnp.array([[3.0, 1.0], [1.0, 3.0]])}
SLOW = {"actor": jnp.array(0.4), "critic": jnp.array([[1.0, 1.0], [0.25, 2.0]])}
STEP = Step(jnp.array([1.0]), jnp.array([0.5]), jnp.float32(1.0), jnp.bool_(False), jnp.array([2.0]))
KEYS = jax.random.split(jax.random.key(0), 200)


def targets(agent: TD3, keys: jax.Array, step: Step = STEP) -> np.ndarray:
    """What critics that say 0 of everything are told, from their loss, 1/2 (target^2 + target^2)."""
    silent = PARAMETERS | {"critic": jnp.zeros((2, 2))}
    losses = jax.jit(jax.vmap(lambda key: agent.loss(silent, SLOW, step, key)[1]["loss/critic"]))(keys)
    return np.sqrt(np.asarray(losses))


def test_the_loss_of_a_step() -> None:
    """Without noise the target policy's action is 0.8, of which the target critics say 2.8 and 2.1.

    target = 0.5 * 1 + 0.9 * 2.1 = 2.39;  q = (3.5, 2.5);  errors 1.11 and 0.11
    policy: its action is 0.2, of which the first critic says 3.2, with a slope of 1
    """
    agent = AGENT.replace(target_policy_noise=0.0)  # type: ignore[attr-defined]

    def loss(parameters: Any, target_parameters: Any, x_tm1: jax.Array, x_t: jax.Array) -> Any:
        return agent.loss(parameters, target_parameters, STEP._replace(x_tm1=x_tm1, x_t=x_t), KEYS[0])

    both = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2, 3), has_aux=True))
    (value, metrics), (of, of_slow, of_x_tm1, of_x_t) = both(PARAMETERS, SLOW, STEP.x_tm1, STEP.x_t)
    errors = np.array([1.11, 0.11])
    assert float(metrics["loss/critic"]) == pytest.approx(0.5 * np.square(errors).sum(), rel=1e-4)
    assert float(value) == pytest.approx(0.5 * np.square(errors).sum() - 3.2, rel=1e-5)
    assert float(metrics["policy/value"]) == pytest.approx(3.2)
    np.testing.assert_allclose(of["critic"], errors[:, None] * [1.0, 0.5], atol=1e-5)
    np.testing.assert_allclose(of["actor"], -1.0, atol=1e-5)  # it climbs
    np.testing.assert_allclose(of_x_tm1, [1.11 * 3.0 + 0.11 * 1.0], atol=1e-5)  # the critics' errors alone
    jax.tree.map(lambda x: np.testing.assert_array_equal(x, np.zeros(x.shape)), of_slow)
    np.testing.assert_array_equal(of_x_t, [0.0])


def test_the_action_that_a_target_values_is_smoothed_within_bounds() -> None:
    """A target is 0.5 + 0.9 min(2 + a, 0.5 + 2 a) = 0.95 + 1.8 a for actions a up to 1, here 0.8 and the noise.

    Noise of 0.2 has that standard deviation, within 4 standard errors, where actions are far from the edge; noise of 0.01 is
    within its bound. Noise of a thousand is 0.5 either way: the action is 0.3, or 1, the edge of the box.
    """
    middle = STEP._replace(x_t=jnp.array([0.0]))  # the target policy's action is 0, targets are 0.5 + 0.9 min(a, 2 a)
    noise = (targets(AGENT, KEYS, middle._replace(r_t=jnp.float32(10.0))) - 5.0) / 0.9
    noise = np.where(noise < 0, noise / 2, noise)
    assert np.square(noise).mean() == pytest.approx(0.2**2, abs=4 * 0.2**2 * np.sqrt(2 / 200))
    assert np.abs(noise).max() <= 0.5 + 1e-4
    small = AGENT.replace(target_policy_noise=0.01)  # type: ignore[attr-defined]
    assert np.ptp(targets(small, KEYS)) > 0.02
    large = AGENT.replace(target_policy_noise=1000.0)  # type: ignore[attr-defined]
    np.testing.assert_allclose(np.unique(targets(large, KEYS).round(3)), [0.95 + 1.8 * 0.3, 0.95 + 1.8 * 1.0], atol=1e-3)


def test_a_natural_end_and_an_action_beyond_the_box() -> None:
    """Nothing follows: target 0.5. An action of 1.5 was carried out as 1: q = (4, 4), errors 3.5."""
    np.testing.assert_allclose(targets(AGENT, KEYS[:3], STEP._replace(terminated_t=jnp.bool_(True))), 0.5, atol=1e-5)
    beyond = STEP._replace(terminated_t=jnp.bool_(True), a_tm1=jnp.array([1.5]))
    _, metrics = AGENT.loss(PARAMETERS, SLOW, beyond, KEYS[0])
    assert float(metrics["loss/critic"]) == pytest.approx(3.5**2, rel=1e-5)


def test_critics_are_asked_about_the_action_that_is_carried_out() -> None:
    """In the box [0, inf) the policies' -0.8 next, and -0.2 now, are carried out as 0, the only one that critics learned of.

    Slow critics say 2 and 1/2 of the next one: target 0.5 + 0.9 / 2. The first critic says 3 of this one. Its slope at the edge
    moves the policy all the same: one that is beyond the box in every state would never come back.
    """
    agent = AGENT.replace(target_policy_noise=0.0, action_space=Continuous(1, (0.0,), (float("inf"),)))  # type: ignore[attr-defined]
    parameters, target_parameters = PARAMETERS | {"actor": jnp.array(-0.2)}, SLOW | {"actor": jnp.array(-0.4)}
    of, metrics = jax.grad(agent.loss, has_aux=True)(parameters, target_parameters, STEP, KEYS[0])
    errors = np.array([3.5, 2.5]) - (0.5 + 0.9 / 2)
    assert float(metrics["loss/critic"]) == pytest.approx(0.5 * np.square(errors).sum(), rel=1e-5)
    assert float(metrics["policy/value"]) == pytest.approx(3.0)
    np.testing.assert_allclose(of["actor"], -1.0, atol=1e-5)


def test_training_explores_by_noise_of_its_own() -> None:
    """The action at x = 1 is 0.2 in both; its standard deviation is 0.02 where deployed, and 0.3 in training."""
    agent = AGENT.replace(noise=0.02, exploration_noise=0.3)  # type: ignore[attr-defined]
    for acting, std in ((agent, 0.02), (agent.behaviour_policy(1.0), 0.3)):
        distribution = acting.decide(PARAMETERS, jnp.array([1.0])).distribution
        np.testing.assert_allclose([distribution.mean, distribution.variance], [[0.2], [std**2]], rtol=1e-5)
