"""On-policy meta-learning: rollouts, credit assignment and differentiable replay. A subclass defines the update of theta."""

import abc
import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.axes import mean_over_chunks
from jmeta.inner.base import InnerLearner
from jmeta.inner.gradient_agent import GradientAgent
from jmeta.lifetime import LifetimeKeys, live_in, replay
from jmeta.outer.base import STATE_LAYOUT, OuterLearner, TaskWeight, relative_weights
from jmeta.outer.checks import below, check_divides, check_fit, check_protocol, check_segment_weights, use_any
from jmeta.outer.credit import Credit, CreditAssignment
from jmeta.outer.meta_batch import (
    MetaBatch,
    MetaBatchSettings,
    RematerialiseSettings,
    over_axes,
    split_each,
    split_tasks,
    take_segments,
)
from jmeta.outer.terms import Record, Term, log_prob
from jmeta.parallel import SHARED, num_task_devices, over_tasks, tasks_at_once
from jmeta.ranges import Finite
from jmeta.settings import StreamChunkSettings
from jmeta.tasks.base import TaskDistribution
from jmeta.types import TASK_AXES, Decision, Lifetime, MetaState, Metrics, Protocol, PyTree, Task, Theta


class OnPolicyExtra(NamedTuple):
    """State besides theta and the optimiser's."""

    statistics: PyTree  # of the credit assignment
    num_steps: jax.Array  # [] int32, outer steps taken


@struct.dataclass
class OnPolicy(OuterLearner[Theta], MetaBatchSettings, RematerialiseSettings, StreamChunkSettings):
    """Base of on-policy outer learners; ``PPO``, ``ProMP`` and ``TrustRegion`` differ in how they update theta.

    An outer step draws ``num_tasks`` tasks, rolls out a lifetime in each and assigns credit to its decisions. A *replay* then
    recomputes the decisions under the theta that is differentiated. It repeats whatever the inner learner does, so its derivative
    is both MAML's meta-gradient and RL²'s backpropagation through time. Minibatches split the tasks, never the time.

    Attributes:
      credit: credit assignment: advantages and value targets.
      segment_weights: weight of each segment in the objective, one per segment; (0, 1) trains the behaviour after one adaptation.
      task_weight: weight of a task in the objective, relative to the others of its batch; for distributions in which some kinds
        of task are rare. Equal by default.
    """

    inner: InnerLearner[Theta, Any, Any]
    tasks: TaskDistribution = struct.field(pytree_node=False)
    credit: CreditAssignment
    protocol: Protocol = struct.field(pytree_node=False)
    segment_weights: tuple[Finite, ...] = struct.field(pytree_node=False)
    _: dataclasses.KW_ONLY
    task_weight: TaskWeight | None = struct.field(pytree_node=False, default=None)

    def __post_init__(self) -> None:
        check_protocol(self.tasks, self.protocol)
        check_segment_weights(self.segment_weights, self.protocol)
        if not any(self.segment_weights):
            raise ValueError(f"segment_weights={self.segment_weights} gives no segment any weight: nothing would be learned")
        check_fit(self.inner, self.tasks)
        num_streams = self.protocol.num_streams
        if num_streams % self.stream_chunks:
            raise ValueError(
                f"stream_chunks={self.stream_chunks} does not divide num_streams={num_streams}: use a divisor, such as 1"
            )
        self.check_devices(1)

    @property
    def credits_across_episodes(self) -> bool:
        return self.credit.across_episodes

    def check_devices(self, num_devices: int) -> None:
        share = num_devices * self.num_groups
        check_divides("num_tasks", self.num_tasks, share, f"{num_devices} device(s) x {self.num_groups} minibatch(es)")
        group = self.num_tasks // share
        if self.microbatch_size is not None and group % self.microbatch_size:
            raise ValueError(
                f"microbatch_size={self.microbatch_size} does not divide the {group} tasks of a minibatch on one device: use "
                f"{math.gcd(group, self.microbatch_size)}, or None"
            )

    @property
    def num_groups(self) -> int:
        """Returns the number of groups of tasks that a batch is split into."""
        return 1

    @property
    def weighted_segments(self) -> tuple[int, ...]:
        """Returns the indices of the segments with a weight other than 0."""
        return tuple(k for k, weight in enumerate(self.segment_weights) if weight)

    def memory_remedy(self) -> str:
        size = self.microbatch_size or tasks_at_once(self.num_tasks // self.num_groups, self.protocol.num_streams)
        # Rollouts take the inner gradients of all tasks at once, which need more memory than replays of fewer tasks.
        bounded_by_replays = not isinstance(self.inner.unwrapped, GradientAgent) or size == self.num_tasks
        smaller = below("microbatch_size", size) if bounded_by_replays else ""
        return use_any(smaller, *self.inner.unwrapped.memory_remedies(self.protocol), f"fewer than num_tasks={self.num_tasks}")

    def step(self, state: MetaState[Theta], key: jax.Array) -> tuple[MetaState[Theta], Metrics]:
        self.check_devices(num_task_devices())
        step = over_tasks(self.step_on_device, shared=STATE_LAYOUT, output=(STATE_LAYOUT, SHARED))
        return step(state, jax.random.split(key, self.num_tasks))

    @abc.abstractmethod
    def step_on_device(self, state: MetaState[Theta], keys: jax.Array) -> tuple[MetaState[Theta], Metrics]:
        """Takes the outer step on one device, with the keys of its tasks; new shared states are equal on all devices."""

    def gather(self, state: MetaState[Theta], keys: jax.Array) -> tuple[MetaBatch, PyTree]:
        """Rolls out a lifetime in each of n new tasks, keys [n], and assigns credit to its decisions.

        Returns:
          The experience, and the credit assignment's new statistics.
        """

        def one_lifetime(task_key: jax.Array, begin_key: jax.Array) -> tuple[Task, Lifetime]:
            task_key, live_key = jax.random.split(task_key)
            task, keys = self.tasks.sample(task_key), LifetimeKeys.of(begin_key, live_key)
            return task, live_in(self.inner, self.tasks, state.theta, task, keys, protocol=self.protocol).lifetime

        task_keys, begin_keys = split_each(keys)
        tasks, lifetimes = jax.vmap(one_lifetime, out_axes=(0, TASK_AXES))(task_keys, begin_keys)
        credit, statistics = self.credit.assign(state.extra.statistics, self.inner.see(lifetimes))
        if self.task_weight is not None:
            credit = credit._replace(weight=credit.weight * relative_weights(self.task_weight, tasks)[:, None])
        behaviour = over_axes(log_prob, 4)(lifetimes.segments.decision, lifetimes.segments.action)
        return MetaBatch(tasks, begin_keys, lifetimes, credit, behaviour), statistics

    def decide_again(self, theta: Theta, group: MetaBatch, segments: tuple[int, ...]) -> Decision:
        """Returns the decisions [len(segments), T, n, B] under theta in those segments, differentiable in theta."""

        def redo(begin_key: jax.Array, lifetime: Lifetime) -> Decision:
            begun = self.inner.begin(theta, self.protocol.num_streams, begin_key)
            return replay(
                self.inner,
                theta,
                begun,
                lifetime,
                segments=segments,
                rematerialise=self.rematerialise,
                stream_chunks=self.stream_chunks,
            )

        return jax.vmap(redo, in_axes=(0, TASK_AXES), out_axes=2)(group.begin_keys, group.lifetimes)

    def term_mean(self, term: Term, decisions: Decision, group: MetaBatch, segments: tuple[int, ...]) -> jax.Array:
        """Returns the mean of a term over steps, weighted by segment, [].

        Args:
          term: the term; its own weight is not applied.
          decisions: [len(segments), T, n, B], of a replay.
          group: the recorded experience.
          segments: the segments that were replayed.
        """
        weights = self.segment_weights_of(term)
        counted = tuple(k for k in segments if weights[k])
        places = [segments.index(k) for k in counted]
        chosen = decisions if counted == segments else jax.tree.map(lambda x: x[jnp.asarray(places)], decisions)

        def weigh(decision: Decision, record: Record, credit: Credit) -> jax.Array:
            value = term(decision, record, credit)
            if shape := jnp.shape(value):
                raise ValueError(f"the term {term.name!r} has the shape {list(shape)} for one decision: return a number []")
            return value * credit.weight

        each = over_axes(weigh, 4)(chosen, *take_segments((group.records, group.credit), counted))
        return (each.mean((1, 2, 3)) * jnp.asarray([weights[k] for k in counted], jnp.float32)).sum()  # no product in TF32

    def segment_weights_of(self, term: Term) -> tuple[float, ...]:
        """Returns the weight of each segment in a term."""
        return self.segment_weights if term.segments is None else term.segments

    def over_microbatches(self, function: Callable[[MetaBatch], PyTree], group: MetaBatch) -> PyTree:
        """Returns the mean of a function over the microbatches of a group, evaluated one at a time."""
        (group_size,) = group.begin_keys.shape
        size = self.microbatch_size or tasks_at_once(group_size, self.protocol.num_streams)
        return mean_over_chunks(function, split_tasks(group, group_size // size))
