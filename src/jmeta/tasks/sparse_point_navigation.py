"""2-D navigation on a semicircle with sparse rewards (Rakelly et al. 2019, arXiv 1903.08254)."""

import dataclasses
import math
from typing import TYPE_CHECKING, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.tasks.base import Reference, TaskDistribution
from jmeta.tasks.point_environment import MAX_STEP, EnvParams, PointEnvironment, SparsePointEnvironment
from jmeta.tasks.point_paths import check_horizon, draw_navigation, walk_straight
from jmeta.types import Experience

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True)
class SparsePointNavigation(TaskDistribution):
    """A point searches for a hidden goal, uniform on the upper unit semicircle; reward 1 - distance within 0.2 of it, else 0.

    The agent must search in its first episodes to be rewarded in later ones. A lifetime is three episodes by default.
    Out of distribution: goals on the lower semicircle.

    Args:
      horizon: environment steps of an episode.
      episodes: episodes of a lifetime.

    References:
      Rakelly et al. 2019, arXiv 1903.08254 (PEARL), section 6.3; distances as in the authors' code.
    """

    horizon: int = 20
    episodes: int = 3

    name: ClassVar[str] = "sparse-point-navigation"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_horizon(self.horizon)
        if self.episodes < 1:
            raise ValueError(f"episodes={self.episodes}: a lifetime has at least one episode")
        object.__setattr__(self, "_environment", SparsePointEnvironment(self.horizon))

    @property
    def environment(self) -> PointEnvironment:
        return self._environment  # type: ignore[attr-defined]

    @property
    def lifetime_length(self) -> int:
        return self.episodes * self.horizon

    @property
    def has_out_of_distribution(self) -> bool:
        return True

    def sample(self, key: jax.Array) -> EnvParams:
        angle = jnp.pi * (self.uniform(key) + (self.split == "ood"))
        goal = jnp.stack([jnp.cos(angle), jnp.sin(angle)])
        return EnvParams(goal=goal, max_steps_in_episode=jnp.asarray(self.horizon, jnp.int32))

    def shaped_reward(self, task: EnvParams, observation: jax.Array, reward: jax.Array, next_observation: jax.Array) -> jax.Array:
        """Returns the reward plus the decrease of the distance to the goal.

        The authors train on minus the distance. Under it, an agent that does not know the goal should wait in the middle of all
        goals. The decrease sums to the same for every path to a place, so it does not change where to search.
        """
        before, after = (jnp.linalg.norm(position - task.goal) for position in (observation, next_observation))
        return reward + before - after

    def oracle_return(self, task: EnvParams, num_steps: int) -> jax.Array:
        """Returns the return of moving each axis towards the goal at full speed, which minimises the distance at every step."""
        step = jnp.arange(1, self.horizon + 1)[:, None]
        distance = jnp.linalg.norm(jnp.maximum(jnp.abs(task.goal) - MAX_STEP * step, 0.0), axis=-1)
        reward = jnp.where(distance <= 0.2, 1.0 - distance, 0.0)
        episodes, rest = divmod(num_steps, self.horizon)
        return episodes * reward.sum() + reward[:rest].sum()

    def render(self, task: EnvParams, lived: Experience, axes: "Axes") -> None:
        """Draws the goal and the path of each episode."""
        draw_navigation(task, lived, axes)

    def reference_return(self, num_steps: int) -> Reference | None:
        """Returns the return of an episode for an agent that knows the goal."""
        angles = math.pi * (np.arange(10_000) + 0.5) / 10_000
        goals = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        return Reference("goal known", float(walk_straight(goals, self.horizon, dense=False).mean()), "episode")
