"""2-D navigation: a point moves to a hidden goal, with a dense reward (Finn et al. 2017, arXiv 1703.03400)."""

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.tasks.base import Reference, TaskDistribution
from jmeta.tasks.point_environment import DensePointEnvironment, EnvParams, PointEnvironment
from jmeta.tasks.point_paths import check_horizon, draw_navigation, walk_straight
from jmeta.tasks.sparse_point_navigation import SparsePointNavigation
from jmeta.types import Experience

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PointNavigation", "SparsePointNavigation"]


@dataclasses.dataclass(frozen=True)
class PointNavigation(TaskDistribution):
    """A point moves to a hidden goal, uniform on the square [-0.5, 0.5]²; the reward is minus the distance at every step.

    Out of distribution: goals on the frame around that square, out to 0.75.

    Args:
      horizon: time limit of an episode in environment steps; an episode ends earlier when it reaches the goal.

    References:
      Finn et al. 2017, arXiv 1703.03400, section 5.3; the authors' code for what the paper leaves open.
    """

    horizon: int = 100

    name: ClassVar[str] = "point-navigation"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_horizon(self.horizon)
        object.__setattr__(self, "_environment", DensePointEnvironment(self.horizon))

    @property
    def environment(self) -> PointEnvironment:
        return self._environment  # type: ignore[attr-defined]

    @property
    def has_out_of_distribution(self) -> bool:
        return True

    def sample(self, key: jax.Array) -> EnvParams:
        square_key, side_key = jax.random.split(key)
        limit = jnp.asarray(self.horizon, jnp.int32)
        across, along = self.uniform(square_key, (2,))
        if self.split != "ood":
            return EnvParams(goal=jnp.stack([across, along]) - 0.5, max_steps_in_episode=limit)
        # Four rectangles, 1.25 by 0.25, each a quarter turn from the last, tile the frame.
        x, y = 1.25 * along - 0.75, 0.5 + 0.25 * across
        side = jax.random.randint(side_key, (), 0, 4)
        goal = jnp.array([[x, y], [-y, x], [-x, -y], [y, -x]])[side]
        return EnvParams(goal=goal, max_steps_in_episode=limit)

    def render(self, task: EnvParams, lived: Experience, axes: "Axes") -> None:
        """Draws the goal and the path of each episode."""
        draw_navigation(task, lived, axes)

    def reference_return(self, num_steps: int) -> Reference | None:
        """Returns the return of an episode for an agent that knows the goal and moves each axis towards it at full speed."""
        if self.split == "ood":
            return None
        centres = (np.arange(200) + 0.5) / 200 - 0.5
        goals = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
        return Reference("goal known", float(walk_straight(goals, self.horizon, dense=True).mean()), "episode")
