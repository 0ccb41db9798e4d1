"""Base of grid worlds: tasks are lists of targets in a room."""

import abc
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.tasks.base import Reference, TaskDistribution
from jmeta.tasks.definition import check_at_least
from jmeta.tasks.grid_environment import EnvParams, GridEnvironment, Sight, scale
from jmeta.tasks.render import GOAL_COLOUR, draw_paths
from jmeta.types import Experience

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class GridTasks(TaskDistribution):
    """Tasks drawn uniformly from a list. Subclass it with ``_make`` and ``all_targets``."""

    size: int  # fields of the subclass
    horizon: int
    num_episodes: int
    sight: Sight

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(self, size=3, horizon=1, num_episodes=1)
        if self.sight not in ("coordinates", "one-hot"):
            raise ValueError(f"sight={self.sight!r} is not coordinates or one-hot")
        object.__setattr__(self, "_environment", self._make())
        targets, splits = self.all_targets()
        object.__setattr__(self, "_targets", targets[splits == self.split])

    @abc.abstractmethod
    def _make(self) -> GridEnvironment:
        """Returns the environment; called once, when the distribution is made."""

    @abc.abstractmethod
    def all_targets(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the targets of all tasks [M, G, 2], and the split of each [M]."""

    @property
    def environment(self) -> GridEnvironment:
        return self._environment  # type: ignore[attr-defined]

    @property
    def targets(self) -> np.ndarray:
        """The targets [M, G, 2] of all tasks of this split."""
        return self._targets  # type: ignore[attr-defined]

    @property
    def lifetime_length(self) -> int:
        return self.num_episodes * self.horizon

    def sample(self, key: jax.Array) -> EnvParams:
        index = jax.random.randint(self._split_key(key), (), 0, len(self.targets))
        return self._task(jnp.asarray(self.targets, jnp.int32)[index])

    def describe(self, task: EnvParams) -> jax.Array:
        """Returns the coordinates of the targets, scaled to [-1, 1]."""
        return scale(task.targets, self.size).reshape(-1)

    def oracle_return(self, task: EnvParams, num_steps: int) -> jax.Array:
        """Returns the optimal return; in a last episode that is cut short, the plan is for the steps that it has."""
        values = self.environment.episode_values(task)
        episodes, rest = divmod(num_steps, self.horizon)
        return episodes * values[0] + values[self.horizon - rest]

    def reference_return(self, num_steps: int) -> Reference:
        """Returns the exact mean return of an episode for an agent that knows the targets."""
        returns = jax.jit(jax.vmap(lambda targets: self.environment.episode_values(self._task(targets))[0]))(self.targets)
        return Reference("goal known", float(np.asarray(returns, np.float64).mean()), "episode")

    def render(self, task: EnvParams, lived: Experience, axes: "Axes") -> None:
        """Draws the numbered targets and the path of each episode."""
        for number, (x, y) in enumerate(np.asarray(task.targets), start=1):
            axes.text(x, y, str(number), color=GOAL_COLOUR, size="x-large", ha="center", va="center")
        draw_paths(axes, lived, self.positions(lived.timestep.observation), self.positions(lived.next_observation))
        axes.set_xlim(-0.5, self.size - 0.5)
        axes.set_ylim(-0.5, self.size - 0.5)
        axes.set_xticks(np.arange(0.5, self.size - 1), labels=[])
        axes.set_yticks(np.arange(0.5, self.size - 1), labels=[])
        axes.grid(color="0.9", lw=0.8)

    def positions(self, observation: jax.Array | np.ndarray) -> np.ndarray:
        """Returns the cells [T, 2] of observations [T, observation_size]."""
        seen = np.asarray(observation)
        if self.sight == "one-hot":
            return np.stack(np.divmod(seen.argmax(-1), self.size), axis=-1)
        return np.round((seen + 1.0) * (self.size - 1) / 2.0)

    def _task(self, targets: jax.Array) -> EnvParams:
        return EnvParams(targets=targets, max_steps_in_episode=jnp.asarray(self.horizon, jnp.int32))
