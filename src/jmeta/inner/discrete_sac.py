"""Soft actor-critic for discrete actions (Christodoulou 2019, arXiv 1910.07207)."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.inner.q_learner import Step
from jmeta.inner.sac import SoftActorCritic
from jmeta.networks import Categorical, TwinActionValues, from_nnx
from jmeta.networks.policies import Actor
from jmeta.objectives import soft_value, td_target
from jmeta.types import ActionSpace, Discrete, Metrics, PyTree


@struct.dataclass
class DiscreteSAC(SoftActorCritic):
    """Soft actor-critic for discrete actions: expectations over the policy are sums, and the loss samples nothing.

    Attributes:
      critic: features to two estimates of every action [2, A].
      spread: softmax temperature of the deployed policy; with a small one, it almost always takes the most likely action.

    References:
      Christodoulou 2019, arXiv 1910.07207.

    Deviations from the paper:
      The temperature's loss is linear in its logarithm. The target entropy is 0.6 of the largest and not 0.98, with which a policy
      over few actions stays almost uniform.
    """

    action_space: Discrete = struct.field(pytree_node=False)

    @classmethod
    def create(
        cls, num_inputs: int, action_space: ActionSpace, widths: tuple[int, ...], **settings: float | None
    ) -> "DiscreteSAC":
        """Builds the learner for an actor and critics with hidden layers of these widths."""
        actor = from_nnx(partial(Actor, num_inputs, action_space, widths))
        critic = from_nnx(partial(TwinActionValues, num_inputs, action_space.encoding_size, widths))
        return cls(num_inputs, action_space, actor, critic, **settings)  # type: ignore[arg-type]

    def narrowed(self, policy: Any) -> Any:
        return Categorical(jax.nn.log_softmax(policy.logits / self.spread))

    def loss(self, parameters: PyTree, target_parameters: PyTree, step: Step, key: jax.Array) -> tuple[jax.Array, Metrics]:
        temperature = jnp.exp(parameters["log_temperature"])
        log_pi_t = self.policy(parameters, step.x_t).logits
        v_t = soft_value(log_pi_t, self.critic.apply(target_parameters, step.x_t).min(0), temperature)
        target = td_target(self.reward_scale * step.r_t, self.discount * (1.0 - step.terminated_t), v_t)
        q_tm1 = self.critic.apply(parameters["critic"], step.x_tm1)
        chosen = jnp.arange(self.action_space.num_actions) == step.a_tm1
        critic_loss = 0.5 * jnp.where(chosen, jnp.square(q_tm1 - target), 0.0).sum()

        log_pi = self.policy(parameters, jax.lax.stop_gradient(step.x_tm1)).logits
        policy_loss = -soft_value(log_pi, jax.lax.stop_gradient(q_tm1.min(0)), jax.lax.stop_gradient(temperature))
        entropy = -jnp.sum(jnp.exp(log_pi) * log_pi)
        wanted = 0.6 * jnp.log(self.action_space.num_actions) if self.target_entropy is None else self.target_entropy
        temperature_loss = parameters["log_temperature"] * jax.lax.stop_gradient(entropy - wanted)
        metrics = {
            "loss/critic": critic_loss,
            "policy/entropy": entropy,
            "policy/value": -policy_loss,
            "policy/temperature": temperature,
        }
        return critic_loss + policy_loss + temperature_loss, metrics
