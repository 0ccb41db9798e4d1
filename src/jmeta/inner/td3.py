"""TD3: a deterministic policy and twin critics (Fujimoto et al. 2018, arXiv 1802.09477)."""

import dataclasses
from functools import partial
from typing import Self

import jax
import jax.numpy as jnp
import numpyro.distributions as dist

from jmeta import struct
from jmeta.inner.q_learner import QLearner, QLearnerSettings, Step, check_reaches
from jmeta.networks import Network, TwinCritic, from_nnx
from jmeta.networks.policies import DeterministicActor
from jmeta.objectives import td_target
from jmeta.ranges import NonNegative
from jmeta.types import ActionSpace, Continuous, Decision, Metrics, PyTree


@struct.settings
class NoiseSettings(QLearnerSettings):
    """Settings of TD3 and its exploration.

    Attributes:
      exploration_noise: standard deviation of the noise added to actions in training, in units of half the action range.
    """

    exploration_noise: jax.Array | NonNegative = 0.2


@struct.dataclass
class TD3(QLearner, NoiseSettings):
    """TD3: the target is the lower of two target critics' values of a smoothed action; the policy maximises the first critic.

    Attributes:
      actor: features to an action.
      critic: features and action to two estimates [2].
      noise: standard deviation of the deployed policy's action noise, in units of half the action box.
      target_policy_noise: standard deviation of the target policy smoothing noise, in the same units.
      noise_clip: bound of the absolute target policy smoothing noise, in the same units.

    References:
      Fujimoto et al. 2018, arXiv 1802.09477.

    Deviations from the paper:
      The policy is updated at every step, and not at every second one. Actions are not random at first unless the algorithm's
      setting ``random_steps`` is set. On an axis with an infinite bound, the policy's actions lie in the part of [-1, 1] that is
      inside the box.
    """

    num_inputs: int = struct.field(pytree_node=False)
    action_space: Continuous = struct.field(pytree_node=False)
    actor: Network = struct.field(pytree_node=False)
    critic: Network = struct.field(pytree_node=False)
    _: dataclasses.KW_ONLY
    noise: jax.Array | NonNegative = 0.02
    target_policy_noise: jax.Array | NonNegative = 0.2
    noise_clip: jax.Array | NonNegative = 0.5

    @classmethod
    def create(cls, num_inputs: int, action_space: ActionSpace, widths: tuple[int, ...], **settings: float) -> "TD3":
        """Builds TD3 for an actor and critics with hidden layers of these widths."""
        check_reaches(action_space)  # type: ignore[arg-type]
        size = action_space.encoding_size
        actor = from_nnx(partial(DeterministicActor, num_inputs, size, widths))
        critic = from_nnx(partial(TwinCritic, num_inputs, size, widths))
        return cls(num_inputs, action_space, actor, critic, **settings)  # type: ignore[arg-type]

    def init(self, key: jax.Array) -> PyTree:
        actor_key, critic_key = jax.random.split(key)
        return {"actor": self.actor.init(actor_key), "critic": self.critic.init(critic_key)}

    def decide(self, parameters: PyTree, x: jax.Array) -> Decision:
        action = self.actor.apply(parameters["actor"], x)
        noise = jnp.broadcast_to(jnp.asarray(self.noise, jnp.float32), action.shape)
        return Decision(dist.Normal(action, noise).to_event(1), jnp.zeros((), jnp.float32))

    def target_parameters(self, parameters: PyTree) -> PyTree:
        return parameters

    def behaviour_policy(self, remaining: jax.Array | float) -> Self:
        return self.replace(noise=self.exploration_noise)  # type: ignore[attr-defined]

    def loss(self, parameters: PyTree, target_parameters: PyTree, step: Step, key: jax.Array) -> tuple[jax.Array, Metrics]:
        following = self.actor.apply(target_parameters["actor"], step.x_t)
        noise = self.target_policy_noise * jax.random.normal(key, following.shape, following.dtype)
        smoothed = self.action_space.encode(following + jnp.clip(noise, -self.noise_clip, self.noise_clip))
        v_t = self.critic.apply(target_parameters["critic"], step.x_t, smoothed).min()
        target = td_target(self.reward_scale * step.r_t, self.discount * (1.0 - step.terminated_t), v_t)
        q_tm1 = self.critic.apply(parameters["critic"], step.x_tm1, self.action_space.encode(step.a_tm1))
        critic_loss = 0.5 * jnp.square(q_tm1 - target).sum()
        critic, x = jax.lax.stop_gradient((parameters["critic"], step.x_tm1))
        action = self.actor.apply(parameters["actor"], x)
        beyond = jax.lax.stop_gradient(self.action_space.encode(action) - action)  # keeps the gradient of clipped actions
        value = self.critic.apply(critic, x, action + beyond)[0]
        return critic_loss - value, {"loss/critic": critic_loss, "policy/value": value}
