"""Base of task distributions that wrap another one."""

import abc
import dataclasses

import jax
from gymnax.environments.environment import Environment

from jmeta.tasks.base import TaskDistribution, Transition
from jmeta.types import PyTree, Task


@dataclasses.dataclass(frozen=True)
class WrappedTasks(TaskDistribution):
    """Wraps another distribution's tasks and environment; a subclass defines its episodes: ``reset``, ``restart`` and ``step``.

    ``oracle_return`` and ``reference_return`` are not passed on; a subclass defines them where they are known.

    Args:
      tasks: the other distribution; its split is replaced by this one's.
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
    def has_validation(self) -> bool:
        return self.tasks.has_validation

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

    @abc.abstractmethod
    def reset(self, task: Task, key: jax.Array) -> tuple[jax.Array, PyTree]: ...

    @abc.abstractmethod
    def restart(self, task: Task, state: PyTree, key: jax.Array) -> tuple[jax.Array, PyTree]: ...

    @abc.abstractmethod
    def step(self, task: Task, state: PyTree, action: jax.Array, key: jax.Array) -> Transition: ...
