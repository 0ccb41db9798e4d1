"""Base of task distributions around another one."""

import dataclasses

import jax
from gymnax.environments.environment import Environment

from jmeta.tasks.base import TaskDistribution
from jmeta.types import PyTree, Task


@dataclasses.dataclass(frozen=True)
class WrappedTasks(TaskDistribution):
    """Another distribution's tasks and environment; a subclass says what is different about them.

    What an agent can earn is for the subclass to say: ``oracle_return`` and ``reference_return`` are not passed on.

    Args:
      tasks: the other distribution; it follows this one's split.
    """

    tasks: TaskDistribution

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", dataclasses.replace(self.tasks, split=self.split))
        super().__post_init__()

    @property
    def environment(self) -> Environment:
        return self.tasks.environment

    @property
    def horizon(self) -> int:
        return self.tasks.horizon

    @property
    def lifetime_length(self) -> int:
        return self.tasks.lifetime_length

    @property
    def has_held_out(self) -> bool:
        return self.tasks.has_held_out

    @property
    def has_out_of_distribution(self) -> bool:
        return self.tasks.has_out_of_distribution

    @property
    def _example(self) -> PyTree:
        return self.tasks._example

    def sample(self, key: jax.Array) -> Task:
        return self.tasks.sample(key)

    def time_limit(self, task: Task) -> jax.Array | None:
        return self.tasks.time_limit(task)

    def describe(self, task: Task) -> jax.Array:
        return self.tasks.describe(task)

    def reset(self, task: Task, key: jax.Array) -> tuple[jax.Array, PyTree]:
        return self.tasks.reset(task, key)

    def restart(self, task: Task, state: PyTree, key: jax.Array) -> tuple[jax.Array, PyTree]:
        return self.tasks.restart(task, state, key)
