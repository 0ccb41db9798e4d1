"""Tasks that change once within a lifetime, to test whether an agent notices and adapts again."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jmeta.tasks.base import Transition
from jmeta.tasks.wrapped import WrappedTasks
from jmeta.types import PyTree, Task


class SwitchingTask(NamedTuple):
    """The two tasks of a lifetime."""

    before: Task
    after: Task


class SwitchingState(NamedTuple):
    """An environment state and the number of steps in the lifetime."""

    state: PyTree
    steps: jax.Array  # [] int32, environment steps since the lifetime began, across episodes


@dataclasses.dataclass(frozen=True)
class Switching(WrappedTasks):
    """Tasks of another distribution that change after ``at_step`` steps to a second task, drawn independently.

    The agent does not observe the change. An episode under way continues from its state under the second task. Parts of the task
    that enter the state at a reset, such as the held fields of ``GymnaxTasks``, change with the next episode.

    Args:
      tasks: the other distribution; its split is replaced by this one's.
      at_step: environment steps of each stream in the first task, at least 1. Shorter lifetimes have no switch.

    Example:
      >>> from jmeta.tasks import BernoulliBandit
      >>> tasks = Switching(BernoulliBandit(num_arms=2), at_step=5)
      >>> task = tasks.sample(jax.random.key(0))
      >>> float(tasks.oracle_return(task, 10)) == 5 * float(task.before.probabilities.max() + task.after.probabilities.max())
      True

    References:
      Nagabandi et al. 2019, arXiv 1803.11347, for adaptation to changes within a lifetime.
    """

    at_step: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.at_step < 1:
            raise ValueError(f"at_step={self.at_step}: the first task lasts at least 1 step; to have one task, do not wrap it")

    def sample(self, key: jax.Array) -> SwitchingTask:
        before_key, after_key = jax.random.split(key)
        return SwitchingTask(self.tasks.sample(before_key), self.tasks.sample(after_key))

    def time_limit(self, task: SwitchingTask) -> jax.Array | None:
        before, after = self.tasks.time_limit(task.before), self.tasks.time_limit(task.after)
        return None if before is None or after is None else jnp.maximum(before, after)

    def describe(self, task: SwitchingTask) -> jax.Array:
        """Returns the descriptions of both tasks, in order."""
        return jnp.concatenate([self.tasks.describe(task.before), self.tasks.describe(task.after)])

    def reset(self, task: SwitchingTask, key: jax.Array) -> tuple[jax.Array, SwitchingState]:
        observation, state = self.tasks.reset(task.before, key)
        return observation, SwitchingState(state, jnp.array(0, jnp.int32))

    def restart(self, task: SwitchingTask, state: SwitchingState, key: jax.Array) -> tuple[jax.Array, SwitchingState]:
        observation, fresh = self.tasks.restart(self._now(task, state.steps), state.state, key)
        return observation, SwitchingState(fresh, state.steps)

    def step(self, task: SwitchingTask, state: SwitchingState, action: jax.Array, key: jax.Array) -> Transition:
        after = self.tasks.step(self._now(task, state.steps), state.state, action, key)
        return after._replace(state=SwitchingState(after.state, state.steps + 1))

    def oracle_return(self, task: SwitchingTask, num_steps: int) -> jax.Array | None:
        """Returns the return of an agent that knows both tasks and the switch; None if the switch falls within an episode."""
        if self.at_step % self.horizon:
            return None
        before = self.tasks.oracle_return(task.before, min(self.at_step, num_steps))
        after = self.tasks.oracle_return(task.after, max(num_steps - self.at_step, 0))
        return None if before is None or after is None else before + after

    def _now(self, task: SwitchingTask, steps: jax.Array) -> Task:
        return jax.tree.map(lambda before, after: jnp.where(steps < self.at_step, before, after), *task)
