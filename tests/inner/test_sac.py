"""SAC's loss of a step and its derivatives against arithmetic by hand, for actions in a box and for a few actions."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.inner.discrete_sac import DiscreteSAC
from jmeta.inner.q_learner import Step
from jmeta.inner.sac import SAC
from jmeta.inner.td3 import TD3
from jmeta.networks import Categorical, Network
from jmeta.types import Continuous, Decision, Discrete

TEMPERATURE = 0.2


class Known(NamedTuple):
    """A policy whose sample and log-probability are known, whatever the key."""

    action: jax.Array
    log_prob: jax.Array

    def sample_with_log_prob(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        return self.action, self.log_prob


def network(apply: Any) -> Network:
    return Network(init=lambda key: jnp.zeros(()), apply=apply)


# Features are one number x. The action is w[0] x, its log-probability w[1] x; critic i says c[i, 0] x + c[i, 1] a.
BOX = SAC(
    1,
    Continuous(1),
    actor=network(lambda w, x: Decision(Known(w[0] * x, w[1] * x[0]), jnp.zeros(()))),  # type: ignore[arg-type]
    critic=network(lambda c, x, a: c[:, 0] * x[0] + c[:, 1] * a[0]),
    discount=0.9,
    reward_scale=0.5,
)
W, C, SLOW = jnp.array([0.4, -0.3]), jnp.array([[3.0, 1.0], [1.0, 3.0]]), jnp.array([[1.0, 1.0], [0.5, 2.0]])
BOX_PARAMETERS = {"actor": W, "critic": C, "log_temperature": jnp.log(TEMPERATURE)}
BOX_STEP = Step(jnp.array([1.0]), jnp.array([0.5]), jnp.float32(1.0), jnp.bool_(False), jnp.array([2.0]))

# Features are x_tm1 = (1, 0) and x_t = (0, 1): rows of w are the policy's logits there, of c[i] what critic i says of actions.
FEW = DiscreteSAC(
    2,
    Discrete(2),
    actor=network(lambda w, x: Decision(Categorical(jax.nn.log_softmax(x @ w)), jnp.zeros(()))),
    critic=network(lambda c, x: jnp.einsum("f,ifa->ia", x, c)),
    discount=0.9,
    reward_scale=0.5,
)
FEW_PARAMETERS = {
    "actor": jnp.log(jnp.array([[0.25, 0.75], [0.5, 0.5]])),
    "critic": jnp.array([[[2.0, 1.0], [0.0, 0.0]], [[3.0, 0.5], [0.0, 0.0]]]),
    "log_temperature": jnp.log(TEMPERATURE),
}
FEW_SLOW = jnp.array([[[0.0, 0.0], [1.0, 4.0]], [[0.0, 0.0], [2.0, 3.0]]])
FEW_STEP = Step(jnp.array([1.0, 0.0]), jnp.int32(0), jnp.float32(1.0), jnp.bool_(False), jnp.array([0.0, 1.0]))


def loss_and_gradients(agent: SAC, parameters: Any, target_parameters: Any, step: Step) -> tuple[float, Any, Any, Any, Any, Any]:
    """The loss, its derivatives in parameters, target parameters, x_tm1 and x_t, and metrics."""

    def loss(parameters: Any, target_parameters: Any, x_tm1: jax.Array, x_t: jax.Array) -> Any:
        return agent.loss(parameters, target_parameters, step._replace(x_tm1=x_tm1, x_t=x_t), jax.random.key(0))

    both = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2, 3), has_aux=True))
    (value, metrics), gradients = both(parameters, target_parameters, step.x_tm1, step.x_t)
    return float(value), *gradients, metrics


def test_the_loss_of_a_step_in_a_box() -> None:
    """Slow critics say 2.8 and 2.6 of the next action, 0.8, whose log-probability is -0.6.

    target = 0.5 * 1 + 0.9 (2.6 + 0.2 * 0.6) = 2.948;  q = (3.5, 2.5);  errors 0.552 and -0.448
    policy: action 0.4, log-probability -0.3, critics say 3.4 and 2.2:  0.2 * -0.3 - 2.2 = -2.26
    temperature: the entropy, 0.3, is above its target, -1, by 1.3:  1.3 log(temperature), whose descent lowers it
    """
    value, of, of_slow, of_x_tm1, of_x_t, metrics = loss_and_gradients(BOX, BOX_PARAMETERS, SLOW, BOX_STEP)
    errors = np.array([0.552, -0.448])
    critic_loss = 0.5 * np.square(errors).sum()
    assert float(metrics["loss/critic"]) == pytest.approx(critic_loss, rel=1e-4)
    assert value == pytest.approx(critic_loss - 2.26 + 1.3 * np.log(TEMPERATURE), rel=1e-5)
    assert float(metrics["policy/entropy"]) == pytest.approx(0.3)
    assert float(metrics["policy/value"]) == pytest.approx(2.2)
    np.testing.assert_allclose(of["critic"], errors[:, None] * [1.0, 0.5], atol=1e-5)  # x_tm1 = 1, a_tm1 = 0.5
    # The policy climbs the lower critic, whose slope in the action is 3, and is paid 0.2 for less log-probability.
    np.testing.assert_allclose(of["actor"], [-3.0, 0.2], atol=1e-5)
    assert float(of["log_temperature"]) == pytest.approx(1.3, rel=1e-5)
    np.testing.assert_allclose(of_x_tm1, [0.552 * 3.0 - 0.448 * 1.0], atol=1e-5)  # the critics' errors alone
    np.testing.assert_array_equal(of_slow, np.zeros((2, 2)))
    np.testing.assert_array_equal(of_x_t, [0.0])


def test_a_natural_end_in_a_box() -> None:
    """Nothing follows: target 0.5, errors 3 and 2."""
    _, of, _, _, _, metrics = loss_and_gradients(BOX, BOX_PARAMETERS, SLOW, BOX_STEP._replace(terminated_t=jnp.bool_(True)))
    assert float(metrics["loss/critic"]) == pytest.approx(6.5, rel=1e-5)
    np.testing.assert_allclose(of["critic"], [[3.0, 1.5], [2.0, 1.0]], atol=1e-5)


def test_a_target_entropy_that_is_given() -> None:
    """Of 0.5, above the entropy, 0.3: descent raises the temperature."""
    agent = BOX.replace(target_entropy=0.5)  # type: ignore[attr-defined]
    _, of, *_ = loss_and_gradients(agent, BOX_PARAMETERS, SLOW, BOX_STEP)
    assert float(of["log_temperature"]) == pytest.approx(-0.2, abs=1e-5)


def test_the_loss_of_a_step_of_a_few_actions() -> None:
    """Next: pi = (1/2, 1/2), the lower of the target critics (1, 3), a soft value of 2 + 0.2 ln 2.

    target = 0.5 * 1 + 0.9 (2 + 0.2 ln 2) = 2.42477;  of action 0 the critics say 2 and 3;  errors -0.42477 and 0.57523
    policy: pi = (1/4, 3/4), the lower of the critics (2, 1/2), entropy 0.56234:  -(0.25 * 2 + 0.75 * 0.5) - 0.2 * 0.56234
    temperature: the entropy is above its target, 0.6 ln 2 = 0.41589, by 0.14645
    """
    value, of, of_slow, of_x_tm1, of_x_t, metrics = loss_and_gradients(FEW, FEW_PARAMETERS, FEW_SLOW, FEW_STEP)
    errors = np.array([2.0, 3.0]) - (0.5 + 0.9 * (2.0 + 0.2 * np.log(2.0)))
    pi = np.array([0.25, 0.75])
    entropy = -(pi * np.log(pi)).sum()
    critic_loss, policy_loss = 0.5 * np.square(errors).sum(), -0.875 - 0.2 * entropy
    excess = entropy - 0.6 * np.log(2.0)
    assert float(metrics["loss/critic"]) == pytest.approx(critic_loss, rel=1e-4)
    assert float(metrics["policy/entropy"]) == pytest.approx(entropy, rel=1e-5)
    assert value == pytest.approx(critic_loss + policy_loss + excess * np.log(TEMPERATURE), rel=1e-5)
    np.testing.assert_allclose(of["critic"], [[[errors[0], 0], [0, 0]], [[errors[1], 0], [0, 0]]], atol=1e-5)
    # d/d logits of sum_a pi(a) f(a), f(a) = 0.2 log pi(a) - q(a): pi(a) (f(a) - mean f); of the next policy nothing.
    f = 0.2 * np.log(pi) - np.array([2.0, 0.5])
    np.testing.assert_allclose(of["actor"], [pi * (f - pi @ f), [0.0, 0.0]], atol=1e-5)
    assert float(of["log_temperature"]) == pytest.approx(excess, rel=1e-4)
    # The critics' errors alone: of action 0 they say c[i, :, 0] . x.
    np.testing.assert_allclose(of_x_tm1, [errors @ [2.0, 3.0], 0.0], atol=1e-5)
    np.testing.assert_array_equal(of_slow, np.zeros((2, 2, 2)))
    np.testing.assert_array_equal(of_x_t, [0.0, 0.0])


def test_a_natural_end_of_a_few_actions() -> None:
    """Nothing follows: target 0.5, errors 1.5 and 2.5."""
    step = FEW_STEP._replace(terminated_t=jnp.bool_(True))
    _, of, _, _, _, metrics = loss_and_gradients(FEW, FEW_PARAMETERS, FEW_SLOW, step)
    assert float(metrics["loss/critic"]) == pytest.approx(0.5 * (1.5**2 + 2.5**2), rel=1e-5)
    np.testing.assert_allclose(of["critic"][:, 0, 0], [1.5, 2.5], atol=1e-5)


def test_critics_are_asked_about_the_action_that_is_carried_out() -> None:
    """In the box [0, inf) the policy's -0.8 next, and -0.4 now, are carried out as 0, the only one that critics learned of.

    Slow critics say 2 and 1 of the next one: target 0.5 + 0.9 (1 + 0.2 * 0.6) = 1.508; critics say 3 and 1 of this one.
    """
    agent = BOX.replace(action_space=Continuous(1, (0.0,), (float("inf"),)))  # type: ignore[attr-defined]
    parameters = BOX_PARAMETERS | {"actor": jnp.array([-0.4, -0.3])}
    _, of, _, _, _, metrics = loss_and_gradients(agent, parameters, SLOW, BOX_STEP)
    errors = np.array([3.5, 2.5]) - 1.508
    assert float(metrics["loss/critic"]) == pytest.approx(0.5 * np.square(errors).sum(), rel=1e-5)
    assert float(metrics["policy/value"]) == pytest.approx(1.0)
    np.testing.assert_allclose(of["actor"], [0.0, 0.2], atol=1e-5)  # what is not carried out makes no difference


def test_a_policy_needs_a_spread() -> None:
    """Logits are divided by it, and its logarithm is added to a log standard deviation."""
    for kind, space in ((SAC, Continuous(2)), (DiscreteSAC, Discrete(2))):
        with pytest.raises(ValueError, match="spread=0"):
            kind.create(2, space, (4,), spread=0.0)


@pytest.mark.parametrize("kind", [SAC, TD3])
def test_a_box_that_a_policy_does_not_reach_is_refused(kind: Any) -> None:
    """In [2, inf) every action within [-1, 1] is carried out as 2, so there is nothing to learn; in [0, inf) half of them are."""
    for low, high in (((2.0,), (np.inf,)), ((-np.inf,), (-1.0,))):
        with pytest.raises(ValueError, match="acts within"):
            kind.create(1, Continuous(1, low, high), (4,))
    kind.create(1, Continuous(2, (0.0, -1.0), (np.inf, 1.0)), (4,))
