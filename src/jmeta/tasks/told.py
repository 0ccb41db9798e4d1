"""Tasks whose observations include a description of the task."""

import dataclasses
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from jmeta.tasks.base import Reference, Transition
from jmeta.tasks.checks import check_described
from jmeta.tasks.wrapped import WrappedTasks
from jmeta.types import Experience, PyTree, Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True)
class ToldTasks(WrappedTasks):
    """Tasks of another distribution with a description of the task appended to every observation.

    An observation is the other distribution's, followed by ``describe(task)``. The agent need not infer the task, so a policy
    without memory can be optimal.

    Args:
      tasks: the other distribution; its split is replaced by this one's.

    Example:
      >>> from jmeta.tasks import BernoulliBandit
      >>> ToldTasks(BernoulliBandit(num_arms=3)).observation_size
      4

    Raises:
      ValueError: if the other distribution describes all its tasks alike, or not at all.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        check_described(self.tasks)

    def reset(self, task: Task, key: jax.Array) -> tuple[jax.Array, PyTree]:
        observation, state = self.tasks.reset(task, key)
        return self._tell(task, observation), state

    def restart(self, task: Task, state: PyTree, key: jax.Array) -> tuple[jax.Array, PyTree]:
        observation, state = self.tasks.restart(task, state, key)
        return self._tell(task, observation), state

    def step(self, task: Task, state: PyTree, action: jax.Array, key: jax.Array) -> Transition:
        after = self.tasks.step(task, state, action, key)
        return after._replace(observation=self._tell(task, after.observation))

    def shaped_reward(
        self, task: Task, observation: jax.Array, reward: jax.Array, next_observation: jax.Array
    ) -> jax.Array | None:
        size = self.tasks.observation_size
        return self.tasks.shaped_reward(task, observation[:size], reward, next_observation[:size])

    def oracle_return(self, task: Task, num_steps: int) -> jax.Array | None:
        return self.tasks.oracle_return(task, num_steps)

    def reference_return(self, num_steps: int) -> Reference | None:
        return self.tasks.reference_return(num_steps)

    def render(self, task: Task, lived: Experience, axes: "Axes") -> None:
        size = self.tasks.observation_size
        timestep = lived.timestep._replace(observation=lived.timestep.observation[..., :size])
        next_observation = lived.next_observation[..., :size]
        self.tasks.render(task, dataclasses.replace(lived, timestep=timestep, next_observation=next_observation), axes)

    def _tell(self, task: Task, observation: jax.Array) -> jax.Array:
        return jnp.concatenate([observation, self.describe(task)])
