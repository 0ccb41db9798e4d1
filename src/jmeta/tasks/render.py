"""Plots of the trajectory of one stream, for ``TaskDistribution.render``."""

from typing import TYPE_CHECKING

import numpy as np

from jmeta.types import Experience

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOUR, GOAL_COLOUR = "#2f6fab", "#d1603d"


def draw_rewards(axes: "Axes", lived: Experience) -> None:
    """Draws the reward of every step, and a line where an episode begins."""
    reward = np.asarray(lived.reward)
    axes.plot(np.arange(1, len(reward) + 1), reward, ".-", color=COLOUR)
    for begin in 1 + np.flatnonzero(np.asarray(lived.timestep.first)[1:]):
        axes.axvline(begin + 0.5, color="0.8", lw=0.8, zorder=0)
    axes.set_xlabel("environment step")
    axes.set_ylabel("reward")


def draw_pulls(axes: "Axes", lived: Experience, mean_rewards: np.ndarray) -> None:
    """Draws the arm of every pull, darker for a higher reward, and labels the arms with their mean rewards [num_arms]."""
    action, reward = np.asarray(lived.action), np.asarray(lived.reward)
    # Colours span at least 0 to 1, so that they mean the same in short and in long lifetimes.
    low, high = min(0.0, reward.min(), mean_rewards.min()), max(1.0, reward.max(), mean_rewards.max())
    look = {"cmap": "Blues", "vmin": low, "vmax": high, "edgecolors": COLOUR, "linewidths": 0.6}
    marks = axes.scatter(np.arange(1, len(action) + 1), action, c=reward, **look)
    axes.figure.colorbar(marks, ax=axes, label="reward")
    axes.set_yticks(np.arange(len(mean_rewards)), [f"arm {arm}, pays {mean:.2f}" for arm, mean in enumerate(mean_rewards)])
    axes.set_ylim(-0.5, len(mean_rewards) - 0.5)
    axes.set_xlabel("pull")


def draw_paths(axes: "Axes", lived: Experience, positions: np.ndarray, next_positions: np.ndarray) -> None:
    """Draws the path of each episode, later ones darker, with a dot where it begins.

    Args:
      axes: the matplotlib axes to draw on.
      lived: the steps of one stream, [T, ...].
      positions: [T, 2], (x, y) before each step.
      next_positions: [T, 2], (x, y) after each step.
    """
    begins = np.flatnonzero(np.asarray(lived.timestep.first) | (np.arange(len(positions)) == 0))
    ends = [*begins[1:], len(positions)]
    for episode, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        path = np.concatenate([positions[begin:end], next_positions[end - 1 : end]])
        axes.plot(*path.T, "-", color=COLOUR, alpha=0.2 + 0.8 * (episode + 1) / len(begins), lw=1.5)
        axes.plot(*path[0], "o", color=COLOUR, ms=4)
    axes.set_aspect("equal")
    axes.set_xlabel("x")
    axes.set_ylabel("y")
