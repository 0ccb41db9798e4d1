"""The inner learner: how experience in one task becomes behaviour in that task."""

import abc
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from jmeta.types import ActionSpace, Decision, Lifetime, Memory, Metrics, Phi, Segment, Theta, Timestep

Lived = TypeVar("Lived", bound=NamedTuple)


class InnerLearner(abc.ABC):
    """An agent in one task, as four pure functions of explicit state.

    A subclass is a frozen ``jmeta.struct.dataclass``: numbers are leaves, networks and shapes are static. It learns at two
    speeds. ``memory`` changes at every environment step, separately in every stream. ``phi`` changes when a
    segment ends, once for the task. MAML keeps all it learns in ``phi``, RL² all in ``memory``.

    Laws, tested for every learner in ``tests/laws``:

    * ``adapt`` keeps the structure, shapes and dtypes of phi and memory;
    * ``unroll`` equals a scan of ``act``;
    * replaying a lifetime under the theta that lived it reproduces its log-probabilities;
    * a fresh ``begin`` forgets the task before; the beginning of an episode forgets nothing;
    * every leaf of theta receives a gradient from the lifetimes it lived.

    Keys come last and are consumed.

    Attributes:
      observation_size: length of the observation vector the learner was built for.
      action_space: the actions it was built for.
    """

    observation_size: int
    action_space: ActionSpace

    @abc.abstractmethod
    def init(self, key: jax.Array) -> Theta:
        """Fresh meta-parameters."""

    @abc.abstractmethod
    def begin(self, theta: Theta, num_streams: int, key: jax.Array) -> tuple[Phi, Memory]:
        """Opens a lifetime: phi of the task, and memory [num_streams, ...]."""

    @abc.abstractmethod
    def act(self, theta: Theta, phi: Phi, memory: Memory, timestep: Timestep) -> tuple[Decision, Memory]:
        """One stream, one step. Draws nothing: the caller samples from the decision."""

    @abc.abstractmethod
    def adapt(self, theta: Theta, phi: Phi, memory: Memory, segment: Segment, key: jax.Array) -> tuple[Phi, Memory]:
        """Learns from a finished segment [T, B]; differentiable in theta where the method needs it."""

    def unroll(self, theta: Theta, phi: Phi, memory: Memory, timesteps: Timestep) -> tuple[Decision, Memory]:
        """The decisions of one stream along recorded timesteps [T], and its memory after them.

        Override it where a sequence can be computed faster than step by step.
        """

        def step(memory: Memory, timestep: Timestep) -> tuple[Memory, Decision]:
            decision, memory = self.act(theta, phi, memory, timestep)
            return memory, decision

        memory, decisions = jax.lax.scan(step, memory, timesteps)
        return decisions, memory

    # What differs only where observations or rewards are normalised: see ``jmeta.inner.normalised``.

    @property
    def unwrapped(self) -> "InnerLearner":
        """The learner itself, without what normalises for it."""
        return self

    def see(self, lived: Lived) -> Lived:
        """Returns experience in the units that the learner sees; unchanged by default."""
        return lived

    def measure(self, lifetimes: Lifetime) -> Metrics:
        """Returns further metrics of lifetimes [K, T, N, B], means over all their steps; none by default."""
        return {}

    def check_normalisable(self, observations: bool, rewards: bool) -> None:  # noqa: B027
        """Raises ValueError if the learner can't do with normalised observations, or rewards."""


class InContextLearner(InnerLearner):
    """Learns in memory alone, step by step: phi is empty, and the end of a segment teaches nothing that memory does not hold."""

    @abc.abstractmethod
    def initial_memory(self, theta: Theta) -> Memory:
        """Returns the memory of a stream when a lifetime opens."""

    def begin(self, theta: Theta, num_streams: int, key: jax.Array) -> tuple[Phi, Memory]:
        return (), for_streams(self.initial_memory(theta), num_streams)

    def adapt(self, theta: Theta, phi: Phi, memory: Memory, segment: Segment, key: jax.Array) -> tuple[Phi, Memory]:
        return phi, memory


def for_streams(memory: Memory, num_streams: int) -> Memory:
    """The memory of one stream for each of several, [num_streams, ...]."""
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (num_streams, *x.shape)), memory)
