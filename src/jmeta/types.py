"""The data that flows between tasks, inner learners and outer learners.

Axis legend, outermost first: ``N`` tasks, ``K`` segments of a lifetime, ``T`` environment steps
of a segment, ``B`` parallel streams of one task. Functions in this package take one task and, in
``act``, one stream; callers ``vmap``.

A batch of lifetimes has the layout [K, T, N, B], in which loops over time write and read it; map over tasks with ``TASK_AXES``.
"""

from typing import Any, Generic, NamedTuple, TypeAlias

import jax
from numpyro.distributions import Distribution
from typing_extensions import TypeVar  # with defaults: a learner without parameters is one of any types

from jmeta import struct
from jmeta.action_spaces import ActionSpace as ActionSpace
from jmeta.action_spaces import Continuous as Continuous
from jmeta.action_spaces import Discrete as Discrete
from jmeta.action_spaces import MultiDiscrete as MultiDiscrete

PyTree: TypeAlias = Any
Theta = TypeVar("Theta", default=Any)  # meta-parameters: one per agent, change every outer step
Phi = TypeVar("Phi", default=Any)  # task parameters: one per task, change when a segment ends
Memory = TypeVar("Memory", default=Any)  # hidden state: one per stream, changes every step
Empty: TypeAlias = tuple[()]  # the phi of a learner that keeps nothing for a task, and so on
Parts: TypeAlias = dict[str, PyTree]  # parameters by the name of a part of the agent
Task: TypeAlias = PyTree  # parameters of a task, usually gymnax EnvParams
Metrics: TypeAlias = dict[str, jax.Array]  # scalars, named "group/metric"


class Timestep(NamedTuple):
    """Input of an agent before it acts."""

    observation: jax.Array  # [observation_size]
    previous_action: jax.Array  # [encoding_size], zeros at the start of a lifetime
    previous_reward: jax.Array  # [], zero at the start of a lifetime
    first: jax.Array  # [] bool, an episode begins here
    arrival: PyTree  # [observation_size] next_observation of the previous step, not observation after a reset; () in replay


class Decision(NamedTuple):
    """Output of an agent for a timestep."""

    distribution: Distribution  # over actions; unbatched, its leaves gain axes under vmap and scan
    value: jax.Array  # [], in units that the learner chooses
    extras: PyTree = ()  # further outputs of the network for a loss, such as features or predictions; not recorded


@struct.dataclass
class Experience:
    """A step of a stream in the environment, or several, with any axes before those of a step.

    Records of steps extend it: a ``Segment`` by decisions and memory, replay by the reward that losses use, and so on. They are
    dataclasses and not named tuples, so that each of them is an ``Experience``.
    """

    timestep: Timestep
    action: jax.Array
    reward: jax.Array  # []
    terminated: jax.Array  # [] bool, natural end of an episode: the value of the next state is 0
    truncated: jax.Array  # [] bool, time limit, the horizon at the latest: the episode would have continued
    next_observation: jax.Array  # [observation_size], before the episode is reset

    def plain(self) -> "Experience":
        """Returns the experience without what a record adds to it."""
        return Experience(**struct.fields_for(Experience, self))


@struct.dataclass
class Decided:
    """What a record of steps has besides the experience if it keeps the decisions that were made in them."""

    decision: Decision  # as made by the behaviour policy, without extras


@struct.dataclass
class Segment(Experience, Decided):
    """``T`` steps of ``B`` streams in one task, as a learner adapts to them; every leaf but memory is [T, B, ...]."""

    memory: PyTree  # [B, ...] hidden state of each stream at the start of the segment
    info: PyTree = ()  # [T, B] the environment's info by name, if the rollout keeps it


class Lifetime(NamedTuple):
    """All segments of a lifetime in one task, and the keys that its adaptations consumed."""

    segments: Segment  # [K, T, B, ...], memory [K, B, ...]
    adapt_keys: jax.Array  # [K - 1]


TASK_AXES = Lifetime(segments=Segment(2, 2, 2, 2, 2, 2, 2, memory=1), adapt_keys=1)  # type: ignore[arg-type]
"""Position of the task axis in a batch of lifetimes: ``in_axes`` or ``out_axes`` of a ``vmap`` over tasks."""


class Life(NamedTuple, Generic[Phi, Memory]):
    """State of a lifetime in progress: everything needed to take the next step."""

    task: Task
    phi: Phi
    memory: Memory  # [B, ...]
    state: PyTree  # [B, ...] environment states
    timestep: Timestep  # [B, ...]
    time: jax.Array  # [B] int32, environment steps since the episode began


class Protocol(NamedTuple):
    """Amount of experience of one lifetime in one task."""

    num_segments: int  # K: the agent adapts K - 1 times, between segments
    segment_length: int  # T, environment steps of each stream
    num_streams: int  # B, parallel streams (rollouts) of one task

    @property
    def num_env_steps(self) -> int:
        """Environment steps spent in one task."""
        return int(self.num_segments * self.segment_length * self.num_streams)


class RolloutOptions(NamedTuple):
    """Options of a rollout in evaluation."""

    greedy: int = 0  # number of streams, the first ones, that take the most likely action instead of a sampled one
    keep_info: bool = False  # record the numbers in the environment's info


AS_IN_TRAINING = RolloutOptions()


class MetaState(NamedTuple, Generic[Theta]):
    """State that an outer learner carries from one outer step to the next."""

    theta: Theta
    opt_state: PyTree
    extra: PyTree  # further state of the outer learner, () if none
    by_task: PyTree = ()  # further state with a leading axis [num_tasks], sharded over devices as tasks are: replay buffers
