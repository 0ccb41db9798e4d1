"""Base classes of inner learners, which adapt their behaviour to one task by experience in that task."""

import abc
from typing import Generic, Self, TypeVar

import jax
import jax.numpy as jnp

from jmeta.types import (
    ActionSpace,
    Decision,
    Empty,
    Experience,
    Lifetime,
    Memory,
    Metrics,
    Phi,
    Protocol,
    Segment,
    Theta,
    Timestep,
)

Seen = TypeVar("Seen", bound=Timestep | Experience | Lifetime)


class InnerLearner(abc.ABC, Generic[Theta, Phi, Memory]):
    """An agent in one task, as four pure functions of explicit state.

    A subclass is a frozen ``jmeta.struct.dataclass``: numbers are leaves, networks and shapes are static. It adapts on two time
    scales. ``memory`` changes at every environment step, separately in every stream. ``phi`` changes when a segment ends, once
    for the task. MAML adapts only ``phi``, and RL² only ``memory``.

    Laws, tested for every learner in ``tests/laws``:

    * ``adapt`` keeps the structure, shapes and dtypes of phi and memory;
    * ``unroll`` equals a scan of ``act``;
    * replaying a lifetime under the theta that collected it reproduces its log-probabilities;
    * ``begin`` discards everything about the previous task; the beginning of an episode discards nothing;
    * every leaf of theta receives a gradient from the lifetimes that it collected.

    Keys come last and are consumed.

    The types of theta, phi and memory are parameters: ``class MAML(InnerLearner[Initialisation, TaskWeights, Empty])``, so a type
    checker knows the fields of ``theta`` in its methods and in the outer learners that are written for it.

    Attributes:
      observation_size: length of the observation vector that the learner was built for.
      action_space: action space that the learner was built for.
    """

    observation_size: int
    action_space: ActionSpace

    @abc.abstractmethod
    def init(self, key: jax.Array) -> Theta:
        """Returns initial meta-parameters."""

    @abc.abstractmethod
    def begin(self, theta: Theta, num_streams: int, key: jax.Array) -> tuple[Phi, Memory]:
        """Begins a lifetime: returns phi of the task, and memory [num_streams, ...]."""

    @abc.abstractmethod
    def act(self, theta: Theta, phi: Phi, memory: Memory, timestep: Timestep) -> tuple[Decision, Memory]:
        """Takes one step of one stream. It draws no random numbers: the caller samples the action from the decision."""

    @abc.abstractmethod
    def adapt(self, theta: Theta, phi: Phi, memory: Memory, segment: Segment, key: jax.Array) -> tuple[Phi, Memory]:
        """Adapts to a finished segment [T, B]; differentiable in theta where the method needs it."""

    def unroll(self, theta: Theta, phi: Phi, memory: Memory, timesteps: Timestep) -> tuple[Decision, Memory]:
        """Returns the decisions of one stream for recorded timesteps [T], and its memory after them.

        Override it if a sequence can be computed faster than step by step.
        """

        def step(memory: Memory, timestep: Timestep) -> tuple[Memory, Decision]:
            decision, memory = self.act(theta, phi, memory, timestep)
            return memory, decision

        memory, decisions = jax.lax.scan(step, memory, timesteps)
        return decisions, memory

    # These methods are overridden where observations or rewards are normalised: see ``jmeta.inner.normalised``.

    @property
    def unwrapped(self) -> Self:
        """Returns the learner without its normalising wrapper."""
        return self

    def around(self, agent: "InnerLearner[Theta, Phi, Memory]") -> "InnerLearner[Theta, Phi, Memory]":
        """Returns an agent in the wrapper of this one, such as the behaviour policy of ``unwrapped``."""
        return agent

    def see(self, lived: Seen) -> Seen:
        """Returns experience in the units in which the learner sees it; unchanged by default."""
        return lived

    def measure(self, lifetimes: Lifetime) -> Metrics:
        """Returns additional metrics of lifetimes [K, T, N, B], which are means over all steps; none by default."""
        return {}

    def memory_remedies(self, protocol: Protocol) -> tuple[str, ...]:
        """Returns the settings with which a differentiated lifetime would need less memory, such as "chunk_length=10".

        They are settings of every on-policy algorithm that has this inner learner. None by default.
        """
        return ()

    def check_normalisable(self, observations: bool, rewards: bool) -> None:
        """Raises ValueError if the learner can't be used with normalised observations, or rewards."""


class InContextLearner(InnerLearner[Theta, Empty, Memory], Generic[Theta, Memory]):
    """An inner learner that adapts only through its memory, step by step: phi is empty, and ``adapt`` changes nothing."""

    @abc.abstractmethod
    def initial_memory(self, theta: Theta) -> Memory:
        """Returns the memory of a stream at the beginning of a lifetime."""

    def begin(self, theta: Theta, num_streams: int, key: jax.Array) -> tuple[Empty, Memory]:
        return (), for_streams(self.initial_memory(theta), num_streams)

    def adapt(self, theta: Theta, phi: Empty, memory: Memory, segment: Segment, key: jax.Array) -> tuple[Empty, Memory]:
        return phi, memory


def for_streams(memory: Memory, num_streams: int) -> Memory:
    """Returns the memory of one stream repeated for several streams, [num_streams, ...]."""
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (num_streams, *x.shape)), memory)
