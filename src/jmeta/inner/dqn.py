"""DQN: action values with an epsilon-greedy policy (Mnih et al. 2015, Nature 518)."""

import dataclasses
from functools import partial
from typing import Self

import jax
import jax.numpy as jnp
import optax

from jmeta import struct
from jmeta.inner.q_learner import QLearner, QLearnerSettings, Step
from jmeta.networks import Categorical, Network, from_nnx
from jmeta.networks.policies import ActionValues
from jmeta.objectives import double_q_value, one_step_return
from jmeta.ranges import PositiveShare
from jmeta.types import ActionSpace, Decision, Discrete, Metrics, PyTree


@struct.settings
class EpsilonSettings(QLearnerSettings):
    """Settings of DQN and its exploration.

    Attributes:
      epsilon: probability of a random action in the deployed policy, in (0, 1].
      last_epsilon: final probability of a random action in training; the initial probability is ``DQN.first_epsilon``, 1 by
        default.
      reward_scale: factor on the rewards that values are learned from; the Huber loss works best with values of a few units.
    """

    epsilon: jax.Array | PositiveShare = 0.01
    last_epsilon: jax.Array | PositiveShare = 0.1


@struct.dataclass
class DQN(QLearner, EpsilonSettings):
    """Double Q-learning with the Huber loss and an epsilon-greedy policy.

    The Huber loss is linear for errors beyond 1. Where values are of the order of a hundred, a rare failure therefore hardly
    changes them: scale rewards down with ``reward_scale``.

        target = r_t + discount q_target(x_t, argmax_a q(x_t, a))

    The target is a constant with respect to the parameters and the features, but not to ``target_parameters``: MAML
    differentiates through whole inner steps.

    Attributes:
      network: features to values [A].
      first_epsilon: probability of a random action at the beginning of exploration.

    References:
      Mnih et al. 2015, Nature 518. van Hasselt et al. 2016, arXiv 1509.06461.
    """

    num_inputs: int = struct.field(pytree_node=False)
    action_space: Discrete = struct.field(pytree_node=False)
    network: Network = struct.field(pytree_node=False)
    _: dataclasses.KW_ONLY
    first_epsilon: jax.Array | PositiveShare = 1.0

    @classmethod
    def create(cls, num_inputs: int, action_space: ActionSpace, widths: tuple[int, ...], **settings: float) -> "DQN":
        """Builds DQN for a network with hidden layers of these widths."""
        size = action_space.encoding_size
        network = from_nnx(partial(ActionValues, num_inputs, size, widths))
        return cls(num_inputs, action_space, network, **settings)  # type: ignore[arg-type]

    def init(self, key: jax.Array) -> PyTree:
        return self.network.init(key)

    def decide(self, parameters: PyTree, x: jax.Array) -> Decision:
        values = self.network.apply(parameters, x)
        size = self.action_space.num_actions
        greedy = jnp.arange(size) == jnp.argmax(values)
        probability = jnp.where(greedy, 1.0 - self.epsilon, 0.0) + self.epsilon / size
        return Decision(Categorical(jnp.log(probability)), values.max())

    def target_parameters(self, parameters: PyTree) -> PyTree:
        return parameters

    def parts(self, parameters: PyTree) -> PyTree:
        return "network"

    def behaviour_policy(self, remaining: jax.Array | float) -> Self:
        epsilon = self.last_epsilon + remaining * (self.first_epsilon - self.last_epsilon)
        return self.replace(epsilon=epsilon)  # type: ignore[attr-defined]

    def loss(self, parameters: PyTree, target_parameters: PyTree, step: Step, key: jax.Array) -> tuple[jax.Array, Metrics]:
        x_t = jax.lax.stop_gradient(step.x_t)
        v_t = double_q_value(self.network.apply(parameters, x_t), self.network.apply(target_parameters, x_t))
        target = one_step_return(self.reward_scale * step.r_t, self.discount * (1.0 - step.terminated_t), v_t)
        q_tm1 = self.network.apply(parameters, step.x_tm1)
        chosen = jnp.arange(self.action_space.num_actions) == step.a_tm1
        loss = optax.huber_loss(jnp.where(chosen, q_tm1, 0.0).sum(), target)
        return loss, {"loss/critic": loss, "policy/value": q_tm1.max()}
