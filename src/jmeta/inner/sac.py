"""SAC: soft actor-critic with an entropy bonus (Haarnoja et al. 2018, arXiv 1812.05905)."""

import abc
import dataclasses
from functools import partial
from typing import Any, Self

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.inner.q_learner import QLearner, QLearnerSettings, Step, check_reaches
from jmeta.networks import Network, TanhNormal, TwinCritic, from_nnx
from jmeta.networks.policies import Actor
from jmeta.objectives import td_target
from jmeta.ranges import Finite, Positive
from jmeta.types import ActionSpace, Continuous, Decision, Metrics, PyTree


@struct.settings
class TemperatureSettings(QLearnerSettings):
    """Settings of soft actor-critic and its temperature.

    Attributes:
      initial_temperature: initial temperature, the weight of the policy's entropy.
      target_entropy: target of the policy's entropy, in nats; by default minus the number of action dimensions, or for discrete
        actions 0.6 of the maximum entropy.
    """

    initial_temperature: jax.Array | Positive = 1.0
    target_entropy: jax.Array | Finite | None = None


@struct.dataclass
class SoftActorCritic(QLearner, TemperatureSettings):
    """Base of soft actor-critics: a stochastic policy and twin critics, with a learned temperature.

    Attributes:
      actor: features to a ``Decision``.
      spread: how narrow the deployed policy is; see the subclasses. The behaviour policy's is 1.
    """

    num_inputs: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)
    actor: Network = struct.field(pytree_node=False)
    critic: Network = struct.field(pytree_node=False)
    _: dataclasses.KW_ONLY
    spread: jax.Array | Positive = 0.05

    @abc.abstractmethod
    def narrowed(self, policy: Any) -> Any:
        """Returns the deployed policy, which is narrower than ``policy`` by ``spread``."""

    def init(self, key: jax.Array) -> PyTree:
        actor_key, critic_key = jax.random.split(key)
        log_temperature = jnp.log(jnp.asarray(self.initial_temperature, jnp.float32))
        return {
            "actor": self.actor.init(actor_key),
            "critic": self.critic.init(critic_key),
            "log_temperature": log_temperature,
        }

    def decide(self, parameters: PyTree, x: jax.Array) -> Decision:
        decision = self.actor.apply(parameters["actor"], x)
        return decision._replace(distribution=self.narrowed(decision.distribution))

    def behaviour_policy(self, remaining: jax.Array | float) -> Self:
        return self.replace(spread=1.0)  # type: ignore[attr-defined]

    def policy(self, parameters: PyTree, x: jax.Array) -> Any:
        """Returns the policy's distribution over actions."""
        return self.actor.apply(parameters["actor"], x).distribution

    def target_parameters(self, parameters: PyTree) -> PyTree:
        return parameters["critic"]


@struct.dataclass
class SAC(SoftActorCritic):
    """Soft actor-critic for actions in a box, with a learned temperature.

        target = r_t + discount (min_i q_i(x_t, a) - temperature log pi(a | x_t)),   a ~ pi(. | x_t), q_i the target critics
        critics: 1/2 sum_i (q_i(x_tm1, a_tm1) - target)^2
        policy:  E_a~pi [temperature log pi(a | x_tm1) - min_i q_i(x_tm1, a)]
        temperature: adjusted such that the policy's entropy is ``target_entropy``

    Attributes:
      actor: features to a ``Decision``.
      critic: features and action to two estimates [2].
      spread: factor of the standard deviation before tanh in the deployed policy; with a small factor, actions are close to those
        of the mean. The behaviour policy's factor is 1.

    References:
      Haarnoja et al. 2018, arXiv 1812.05905.

    Deviations from the paper:
      The deployed policy samples with a small standard deviation (``spread``), while the paper evaluates the mean action. On an
      axis with an infinite bound, actions lie in the part of [-1, 1] that is inside the box. The loss of the temperature is
      linear in its logarithm, as in the authors' code, and not in itself. Log standard deviations are softly clipped to [-5, 2].
    """

    action_space: Continuous = struct.field(pytree_node=False)

    @classmethod
    def create(cls, num_inputs: int, action_space: ActionSpace, widths: tuple[int, ...], **settings: float | None) -> "SAC":
        """Builds the learner for an actor and critics with hidden layers of these widths."""
        check_reaches(action_space)  # type: ignore[arg-type]
        actor = from_nnx(partial(Actor, num_inputs, action_space, widths))
        critic = from_nnx(partial(TwinCritic, num_inputs, action_space.encoding_size, widths))
        return cls(num_inputs, action_space, actor, critic, **settings)  # type: ignore[arg-type]

    def narrowed(self, policy: Any) -> Any:
        """Returns the policy with its standard deviation before tanh multiplied by ``spread``."""
        return TanhNormal(policy.mean_before, policy.log_std + jnp.log(self.spread))

    def loss(self, parameters: PyTree, target_parameters: PyTree, step: Step, key: jax.Array) -> tuple[jax.Array, Metrics]:
        next_key, action_key = jax.random.split(key)
        temperature = jnp.exp(parameters["log_temperature"])
        known = jax.lax.stop_gradient((parameters["critic"], temperature, step.x_tm1))
        following, log_prob_t = self._carried_out(parameters, step.x_t, next_key)
        v_t = self.critic.apply(target_parameters, step.x_t, following).min() - temperature * log_prob_t
        target = td_target(self.reward_scale * step.r_t, self.discount * (1.0 - step.terminated_t), v_t)
        q_tm1 = self.critic.apply(parameters["critic"], step.x_tm1, self.action_space.encode(step.a_tm1))
        critic_loss = 0.5 * jnp.square(q_tm1 - target).sum()

        critic, cost, x = known
        action, log_prob = self._carried_out(parameters, x, action_key)
        value = self.critic.apply(critic, x, action).min()
        policy_loss = cost * log_prob - value
        wanted = -float(self.action_space.size) if self.target_entropy is None else self.target_entropy
        temperature_loss = -parameters["log_temperature"] * jax.lax.stop_gradient(log_prob + wanted)
        metrics = {
            "loss/critic": critic_loss,
            "policy/entropy": -log_prob,
            "policy/value": value,
            "policy/temperature": temperature,
        }
        return critic_loss + policy_loss + temperature_loss, metrics

    def _carried_out(self, parameters: PyTree, x: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns an action sampled from the policy, clipped to the box as the critics see it, and its log-density."""
        action, log_prob = self.policy(parameters, x).sample_with_log_prob(key)
        return self.action_space.encode(action), log_prob
