"""The data that flows between tasks, inner learners and outer learners.

Axis legend, outermost first: ``N`` tasks, ``K`` segments of a lifetime, ``T`` environment steps
of a segment, ``B`` parallel streams of one task. Everything in this package is written for one
task and, in ``act``, one stream; callers ``vmap``.

Many lifetimes together are laid out as loops over time make and read them, [K, T, N, B]: map over tasks with ``TASK_AXES``.
"""

from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from numpyro.distributions import Distribution

PyTree: TypeAlias = Any
Theta: TypeAlias = PyTree  # meta-parameters: one per agent, change every outer step
Phi: TypeAlias = PyTree  # task parameters: one per task, change when a segment ends
Memory: TypeAlias = PyTree  # what a stream remembers: one per stream, changes every step
Task: TypeAlias = PyTree  # what makes one task differ from another, usually gymnax EnvParams
Metrics: TypeAlias = dict[str, jax.Array]  # scalars, named "group/metric"


class Discrete(NamedTuple):
    """The action is an integer in ``0 .. num_actions - 1``."""

    num_actions: int

    @property
    def encoding_size(self) -> int:
        return self.num_actions

    def encode(self, action: jax.Array) -> jax.Array:
        """An action [] as the agent later remembers it: one-hot [num_actions]."""
        return jax.nn.one_hot(action, self.num_actions, dtype=jnp.float32)


class Continuous(NamedTuple):
    """The action is a vector [size]; where the environment's box is finite, -1 and 1 are its ends.

    Task distributions clip to [-1, 1] and scale to the box, so one policy suits any range of torques or displacements. An axis
    of which a side is infinite is not scaled: the policy acts in the environment's own units, clipped at the side that is finite.

    Attributes:
      size: number of axes.
      low: smallest action that is carried out, for all axes or for each.
      high: largest action that is carried out.
    """

    size: int
    low: float | tuple[float, ...] = -1.0
    high: float | tuple[float, ...] = 1.0

    @property
    def encoding_size(self) -> int:
        return self.size

    def encode(self, action: jax.Array) -> jax.Array:
        """An action [size] as the agent later remembers it: what was carried out, clipped."""
        return jnp.clip(action, jnp.asarray(self.low, action.dtype), jnp.asarray(self.high, action.dtype))

    def __repr__(self) -> str:
        scaled = (self.low, self.high) == (-1.0, 1.0)
        return f"Continuous(size={self.size})" if scaled else f"Continuous(size={self.size}, low={self.low}, high={self.high})"


ActionSpace: TypeAlias = Discrete | Continuous


class Timestep(NamedTuple):
    """Input of an agent before it acts."""

    observation: jax.Array  # [observation_size]
    previous_action: jax.Array  # [encoding_size], zeros when a lifetime opens
    previous_reward: jax.Array  # [], zero when a lifetime opens
    first: jax.Array  # [] bool, an episode begins here
    arrival: jax.Array  # [observation_size] where the previous action led, which is the observation unless its episode ended


class Decision(NamedTuple):
    """Output of an agent for a timestep."""

    distribution: Distribution  # over actions; unbatched, its leaves gain axes under vmap and scan
    value: jax.Array  # [], in the units of the learner's own choosing
    extras: PyTree = ()  # what else the network gives, such as features or predictions, for a loss; not recorded


class Segment(NamedTuple):
    """``T`` steps of ``B`` streams in one task; every leaf is [T, B, ...]."""

    timestep: Timestep
    decision: Decision  # as made by the behaviour policy
    action: jax.Array
    reward: jax.Array
    terminated: jax.Array  # natural end of an episode: what follows is worth nothing
    truncated: jax.Array  # time limit, the horizon at the latest: the episode would have gone on from next_observation
    next_observation: jax.Array  # before the episode is reset
    memory: Memory  # [B, ...] what each stream remembered when the segment opened
    info: PyTree = ()  # [T, B] what the environment said besides, by name, where a rollout is asked to keep it


class Lifetime(NamedTuple):
    """All segments of one task, and the keys its adaptations consumed."""

    segments: Segment  # [K, T, B, ...], memory [K, B, ...]
    adapt_keys: jax.Array  # [K - 1]


TASK_AXES = Lifetime(segments=Segment(2, 2, 2, 2, 2, 2, 2, memory=1), adapt_keys=1)  # type: ignore[arg-type]
"""Where the task axis lies in a batch of lifetimes: ``in_axes`` or ``out_axes`` of a ``vmap`` over tasks."""


class Life(NamedTuple):
    """A lifetime under way: everything needed to take the next step."""

    task: Task
    phi: Phi
    memory: Memory  # [B, ...]
    state: PyTree  # [B, ...] environment states
    timestep: Timestep  # [B, ...]
    time: jax.Array  # [B] int32, environment steps since the episode began


class Protocol(NamedTuple):
    """Amount of experience of one lifetime in one task."""

    num_segments: int  # K: behaviour may change K - 1 times
    segment_length: int  # T, environment steps of each stream
    num_streams: int  # B, parallel streams (rollouts) of one task

    @property
    def num_env_steps(self) -> int:
        """Environment steps spent in one task."""
        return self.num_segments * self.segment_length * self.num_streams


class RolloutOptions(NamedTuple):
    """Options of a rollout in evaluation."""

    greedy: int = 0  # how many streams, the first ones, take the most likely action instead of a sampled one
    keep_info: bool = False  # record the numbers in the environment's info


AS_IN_TRAINING = RolloutOptions()


class MetaState(NamedTuple):
    """Everything an outer learner carries from one outer step to the next."""

    theta: Theta
    opt_state: PyTree
    extra: PyTree  # whatever the outer learner needs besides, () if nothing
    by_task: PyTree = ()  # the same with a leading axis [num_tasks], spread over devices as tasks are: replay buffers
