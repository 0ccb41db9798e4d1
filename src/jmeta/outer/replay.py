"""Replay: the buffer and the newest lifetimes that off-policy learners keep for each training task."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flashbax.buffers import trajectory_buffer as replay

from jmeta import struct
from jmeta.axes import merge_axis
from jmeta.inner.off_policy import ReplayStep
from jmeta.ranges import Count, CountOrZero, Limit, Positive, PositiveShare
from jmeta.types import Experience, Protocol, PyTree, Task


@struct.settings
class ReplaySettings:
    """Settings of off-policy learning from replay buffers.

    Attributes:
      num_training_tasks: number of training tasks, which are drawn once.
      num_passes: training passes over all tasks in an outer step.
      num_minibatches: minibatches of tasks in a pass, with one gradient step each; must divide num_training_tasks.
      batch_size: environment steps sampled from each task's replay buffer for a gradient step.
      capacity: capacity of each task's replay buffer, in environment steps.
      microbatch_size: tasks that one device differentiates at once, which bounds memory and changes nothing else; must divide
        the tasks that a device has in a minibatch; by default chosen for speed.
      random_steps: number of initial outer steps with uniformly random actions, as in the authors' TD3; none by default.
      learning_rate: learning rate of Adam.
      anneal_steps: outer steps over which the learning rate falls linearly to zero; constant by default.
      target_update_rate: update rate of the target networks, in (0, 1].
      max_gradient_norm: the gradients of the policy, the critics, the temperature and the encoder are each clipped to this norm.
    """

    num_training_tasks: Count = struct.field(pytree_node=False)
    num_passes: Count = struct.field(pytree_node=False, default=64)
    num_minibatches: Count = struct.field(pytree_node=False, default=1)
    batch_size: Count = struct.field(pytree_node=False, default=16)
    capacity: Count = struct.field(pytree_node=False, default=20_000)
    microbatch_size: Count | None = struct.field(pytree_node=False, default=None)
    random_steps: CountOrZero = struct.field(pytree_node=False, default=0)
    learning_rate: jax.Array | Positive = 3e-4
    anneal_steps: Count | None = struct.field(pytree_node=False, default=None)
    target_update_rate: jax.Array | PositiveShare = 0.005
    max_gradient_norm: jax.Array | Limit = 10.0


@struct.settings
class ContextSettings:
    """Settings of contexts, the experience that an agent infers or adapts to a training task from.

    Attributes:
      num_contexts: number of newest lifetimes of a task that contexts are drawn from. Many passes overfit to a single lifetime;
        with more lifetimes, the policies that collected them are older.
    """

    num_contexts: Count = struct.field(pytree_node=False, default=1)


@struct.settings
class ShapedSettings:
    """The reward that values are learned from.

    Attributes:
      shaped: whether values are learned from the tasks' shaped reward, which is available in training only. Agents still observe
        and adapt to the original reward.
    """

    shaped: bool = struct.field(pytree_node=False, default=False)


class TaskRecord(NamedTuple):
    """Data kept for one of the training tasks."""

    task: Task
    replays: PyTree  # flashbax's state: the newest ``capacity`` steps in the task, by any behaviour policy
    contexts: ReplayStep  # [R, T] its newest lifetimes, which contexts are drawn from
    num_lifetimes: jax.Array  # [] int32, collected so far

    @classmethod
    def empty(cls, tasks: Task, row: ReplayStep, *, num_contexts: int, capacity: int) -> "TaskRecord":
        """Returns the records of tasks [n] without any lifetime; the steps of one are like ``row`` [T]."""
        number = len(jax.tree.leaves(tasks)[0])
        contexts = jax.tree.map(lambda x: jnp.zeros((number, num_contexts, *x.shape), x.dtype), row)
        step = jax.tree.map(lambda x: jnp.zeros(x.shape[1:], x.dtype), row)
        replays = jax.vmap(lambda _: replay.init(step, 1, capacity))(jnp.arange(number))
        # flashbax's index is weakly typed: a step would be traced twice.
        replays = jax.tree.map(lambda x: x.astype(x.dtype), replays)
        return cls(tasks, replays, contexts, jnp.zeros(number, jnp.int32))

    def add(self, turn: jax.Array, new: ReplayStep) -> "TaskRecord":
        """Returns the records of tasks [n] with a new lifetime [m, T] in each of the tasks ``turn`` [m]."""
        chosen = jax.tree.map(lambda x: x[turn], self)
        replays = jax.vmap(lambda state, new: replay.add(state, jax.tree.map(lambda x: x[None], new)))(chosen.replays, new)
        slot = chosen.num_lifetimes % self.contexts.reward.shape[1]
        return TaskRecord(
            task=self.task,
            replays=jax.tree.map(lambda old, new: old.at[turn].set(new.astype(old.dtype)), self.replays, replays),
            contexts=jax.tree.map(lambda old, new: old.at[turn, slot].set(new.astype(old.dtype)), self.contexts, new),
            num_lifetimes=self.num_lifetimes.at[turn].add(1),
        )


def by_segment(row: Experience, protocol: Protocol) -> Experience:
    """Returns the experience [K, T, 1] of a lifetime's row [K T]."""
    return jax.tree.map(lambda x: x.reshape(-1, protocol.segment_length, 1, *x.shape[1:]), row.plain())


def sample_rows(replays: PyTree, key: jax.Array, number: int, length: int) -> ReplayStep:
    """Returns rows [number, length] of consecutive steps of one task's replay buffer, drawn uniformly with replacement."""
    with jax.numpy_rank_promotion("allow"):  # flashbax adds arrays of different ranks
        return replay.sample(replays, key, number, length, 1).experience


def rows_to_ship(records: TaskRecord, number: int, length: int) -> tuple[ReplayStep, jax.Array]:
    """Returns rows [number, length] from the replay buffers of all tasks, and whether each has been lived, [number].

    A row has not been lived if its task's replay holds fewer than ``length`` steps.
    """
    num_tasks = len(records.num_lifetimes)
    of_each = -(-number // num_tasks)
    draw = lambda replays, key: sample_rows(replays, key, of_each, length)  # noqa: E731
    rows = merge_axis(jax.vmap(draw)(records.replays, jax.random.split(jax.random.key(0), num_tasks)), 0)
    is_lived = jnp.repeat(replay.can_sample(records.replays, length), of_each)
    chosen = jax.random.permutation(jax.random.key(1), len(is_lived))[:number]
    return jax.tree.map(lambda x: x[chosen], rows), is_lived[chosen]
