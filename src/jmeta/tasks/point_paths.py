"""Paths of 2-D navigation: how they are drawn, and the return of the shortest ones."""

from typing import TYPE_CHECKING

import numpy as np

from jmeta.tasks.point_environment import MAX_STEP, EnvParams
from jmeta.tasks.render import GOAL_COLOUR, draw_paths
from jmeta.types import Experience

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_navigation(task: EnvParams, lived: Experience, axes: "Axes") -> None:
    """Draws the goal and the path of each episode."""
    axes.plot(*np.asarray(task.goal), "x", color=GOAL_COLOUR, ms=8)
    draw_paths(axes, lived, np.asarray(lived.timestep.observation), np.asarray(lived.next_observation))


def check_horizon(horizon: int) -> None:
    """Raises ValueError for an episode of no steps."""
    if horizon < 1:
        raise ValueError(f"horizon={horizon}: an episode has at least 1 environment step")


def walk_straight(goals: np.ndarray, horizon: int, *, dense: bool) -> np.ndarray:
    """Returns the returns [M] of moving each axis to goals [M, 2] at full speed, which minimises the distance at every step."""
    step = np.arange(1, horizon + 1)[:, None, None]
    remaining = np.maximum(np.abs(goals) - MAX_STEP * step, 0.0)
    distance = np.linalg.norm(remaining, axis=-1)
    if not dense:
        return np.where(distance <= 0.2, 1.0 - distance, 0.0).sum(0)
    arrived = np.all(remaining < 0.01, axis=-1)
    over = np.cumsum(arrived, axis=0) - arrived > 0  # steps after the one that arrived
    return -np.where(over, 0.0, distance).sum(0)
