"""Tasks whose actions are several choices at a time, for learners that make one choice."""

import dataclasses
import math
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from jmeta.tasks.base import Reference, Transition
from jmeta.tasks.wrapped import WrappedTasks
from jmeta.types import ActionSpace, Discrete, Experience, MultiDiscrete, PyTree, Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True)
class EnumeratedActions(WrappedTasks):
    """Tasks of another distribution whose ``MultiDiscrete`` actions are numbered: one number stands for one combination.

    The last choice changes fastest, as in ``numpy.unravel_index(number, counts)``, which gives the combination of a number that
    a deployed agent returns. For DQN, a discrete SAC and PEARL.

    Args:
      tasks: the other distribution; its split is replaced by this one's.

    Raises:
      ValueError: if its actions are not several choices.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.tasks.action_space, MultiDiscrete):
            raise ValueError(f"{type(self.tasks).__name__} takes {self.tasks.action_space}: leave out EnumeratedActions")

    @property
    def action_space(self) -> ActionSpace:
        return Discrete(math.prod(self._counts))

    def reset(self, task: Task, key: jax.Array) -> tuple[jax.Array, PyTree]:
        return self.tasks.reset(task, key)

    def restart(self, task: Task, state: PyTree, key: jax.Array) -> tuple[jax.Array, PyTree]:
        return self.tasks.restart(task, state, key)

    def step(self, task: Task, state: PyTree, action: jax.Array, key: jax.Array) -> Transition:
        return self.tasks.step(task, state, jnp.stack(jnp.unravel_index(action, self._counts)), key)

    def shaped_reward(
        self, task: Task, observation: jax.Array, reward: jax.Array, next_observation: jax.Array
    ) -> jax.Array | None:
        return self.tasks.shaped_reward(task, observation, reward, next_observation)

    def oracle_return(self, task: Task, num_steps: int) -> jax.Array | None:
        return self.tasks.oracle_return(task, num_steps)

    def reference_return(self, num_steps: int) -> Reference | None:
        return self.tasks.reference_return(num_steps)

    def render(self, task: Task, lived: Experience, axes: "Axes") -> None:
        self.tasks.render(task, lived, axes)

    @property
    def _counts(self) -> tuple[int, ...]:
        space = self.tasks.action_space
        assert isinstance(space, MultiDiscrete)
        return space.counts
