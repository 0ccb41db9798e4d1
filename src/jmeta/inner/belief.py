"""Agents that infer a belief about the task and condition their policy on it."""

import abc
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jmeta import struct
from jmeta.inner.base import InContextLearner
from jmeta.networks import Network, from_nnx
from jmeta.networks.beliefs import Belief, BeliefHead
from jmeta.networks.perception import BuildCore, Perception, RecurrentNetwork
from jmeta.ranges import Count
from jmeta.types import ActionSpace, Decision, Empty, Experience, Metrics, Parts, PyTree, Timestep


@struct.dataclass
class Record(Experience):
    """A lifetime [T, ...] of one stream, from which the belief is learned.

    Actions are encoded, [T, encoding_size], as the agent observes them.
    """

    description: jax.Array  # [description_size], of the task, as ``TaskDistribution.describe`` gives it

    @property
    def timesteps(self) -> Timestep:
        """The timesteps [T + 1, ...] of the lifetime; the last one follows the last step."""
        done = self.terminated | self.truncated
        last = self.next_observation[-1]
        over = Timestep(last, self.action[-1], self.reward[-1], done[-1], arrival=last)
        return jax.tree.map(lambda before, after: jnp.concatenate([before, after[None]]), self.timestep, over)


class BeliefMemory(NamedTuple):
    """Memory of an agent with a belief."""

    encoder: PyTree
    num_steps: jax.Array  # [] float, environment steps of the lifetime so far


@struct.dataclass
class BeliefAgent(InContextLearner[Parts, BeliefMemory]):
    """A recurrent encoder maps experience to a belief, and the policy sees the observation and the belief. phi is empty.

    The encoder is trained by ``belief_loss``. The gradient of the policy loss does not reach it. Memory is kept across the
    episodes of the task. The encoder sees complete transitions: at the end of an episode its input is the final observation,
    while the policy sees the first observation of the next episode.

    The policy and its critic also see a clock: the share of the lifetime that has passed, at most 1. The value of a belief
    depends on the remaining time.

    Attributes:
      lifetime_length: environment steps of a lifetime; the unit of the clock.
      encoder: network with the methods initial_memory, __call__ and unroll, whose output is a ``Belief``.
      policy: (observation and clock [observation_size + 1], belief) -> ``Decision``.
    """

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)
    lifetime_length: Count = struct.field(pytree_node=False)
    encoder: Network = struct.field(pytree_node=False)
    policy: Network = struct.field(pytree_node=False)

    def init(self, key: jax.Array) -> Parts:
        encoder_key, policy_key = jax.random.split(key)
        return {"encoder": self.encoder.init(encoder_key), "policy": self.policy.init(policy_key)}

    def initial_memory(self, theta: Parts) -> BeliefMemory:
        return BeliefMemory(self.encoder.apply(theta["encoder"], method="initial_memory"), jnp.zeros((), jnp.float32))

    def act(self, theta: Parts, phi: Empty, memory: BeliefMemory, timestep: Timestep) -> tuple[Decision, BeliefMemory]:
        belief, encoder_memory = self.encoder.apply(theta["encoder"], memory.encoder, _arrived(timestep))
        decision = self._decide(theta, timestep.observation, memory.num_steps, belief)
        return decision, BeliefMemory(encoder_memory, memory.num_steps + 1.0)

    def unroll(self, theta: Parts, phi: Empty, memory: BeliefMemory, timesteps: Timestep) -> tuple[Decision, BeliefMemory]:
        beliefs, encoder_memory = self.encoder.apply(theta["encoder"], memory.encoder, _arrived(timesteps), method="unroll")
        length = len(timesteps.first)
        decisions = jax.vmap(partial(self._decide, theta))(
            timesteps.observation, memory.num_steps + jnp.arange(length, dtype=jnp.float32), beliefs
        )
        return decisions, BeliefMemory(encoder_memory, memory.num_steps + length)

    def beliefs(self, theta: Parts, timesteps: Timestep) -> Belief:
        """Returns the beliefs [T, D] of one stream at timesteps [T] from the beginning of a lifetime."""
        fresh = self.initial_memory(theta).encoder
        return self.encoder.apply(theta["encoder"], fresh, _arrived(timesteps), method="unroll")[0]

    @abc.abstractmethod
    def belief_loss(self, theta: Parts, record: Record, key: jax.Array) -> tuple[jax.Array, Metrics]:
        """Returns the loss of the beliefs of one lifetime, [], and metrics."""

    def _decide(self, theta: Parts, observation: jax.Array, num_steps: jax.Array, belief: Belief) -> Decision:
        clock = jnp.minimum(num_steps / self.lifetime_length, 1.0)
        seen = jnp.append(observation, clock)
        return self.policy.apply(theta["policy"], seen, jax.lax.stop_gradient(belief))


def belief_encoder(
    observation_size: int,
    action_space: ActionSpace,
    belief_size: int,
    build_core: BuildCore,
    *,
    encoder_widths: tuple[Count, ...],
) -> Network:
    """Returns a network that maps timesteps to beliefs by a recurrent core."""
    perceive = partial(Perception, observation_size, action_space, encoder_widths)
    return from_nnx(partial(_encoder, perceive, build_core, belief_size))


def _encoder(perceive: Callable[..., Perception], build_core: BuildCore, belief_size: int, *, rngs: nnx.Rngs) -> RecurrentNetwork:
    heads: Any = lambda size, rngs: BeliefHead(size, belief_size, rngs=rngs)  # noqa: E731
    return RecurrentNetwork(perceive(rngs=rngs), build_core, heads, rngs=rngs)


def _arrived(timestep: Timestep) -> Timestep:
    """Returns the encoder's input: its observation is the one that the previous action led to, also at the end of an episode."""
    return timestep._replace(observation=timestep.arrival)


def choose(key: jax.Array, length: int, number: int | None) -> jax.Array:
    """Returns the indices of ``number`` random steps of a lifetime, in order; all steps if None."""
    if number is None or number >= length:
        return jnp.arange(length)
    return jnp.sort(jax.random.choice(key, length, (number,), replace=False))


def pick(tree: PyTree, index: jax.Array) -> PyTree:
    """Returns the steps ``index`` of leaves [T, ...]."""
    return jax.tree.map(lambda x: x[index], tree)
