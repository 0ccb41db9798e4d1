"""GridNavi: find a goal in a room, then go there in every episode (Zintgraf et al. 2020, VariBAD, arXiv 1910.08348)."""

import dataclasses
from typing import ClassVar

import numpy as np

from jmeta.references.grid_navigation import bayes_optimal_episode_returns
from jmeta.tasks.base import Reference
from jmeta.tasks.grid import GridTasks
from jmeta.tasks.grid_environment import GridEnvironment, Sight, every_cell


@dataclasses.dataclass(frozen=True)
class GridNavi(GridTasks):
    """A room with a hidden goal cell: reward 1 at every step on it, else -0.1; actions are stay, up, right, down, left.

    Episodes begin at (0, 0) and last ``horizon`` steps. The goal is any cell outside the 2 by 2 block at the start. The paper
    trains and tests on the same 21 goals, and so does the default: the held-out split is an error unless ``held_out_goals`` is
    set, and so is the validation split without ``validation_goals``.

    Args:
      size: cells per side of the room, at least 3.
      horizon: environment steps of an episode.
      num_episodes: episodes of a lifetime.
      held_out_goals: number of goals that training never draws, evenly spaced in the list of all goals, column by column.
      validation_goals: number of goals to choose settings on, evenly spaced in the list of what is left.
      sight: how the position is observed: as ``coordinates`` in [-1, 1], or ``one-hot``.

    References:
      Zintgraf et al. 2020, arXiv 1910.08348, section 5.1; the authors' code, lmzintgraf/varibad, for what the paper leaves open.

    Deviations from the paper: the authors' code observes the coordinates as 0 .. size - 1.
    """

    size: int = 5
    horizon: int = 15
    num_episodes: int = 4
    held_out_goals: int = 0
    validation_goals: int = 0
    sight: Sight = "coordinates"

    name: ClassVar[str] = "grid-navi"

    @property
    def has_held_out(self) -> bool:
        return self.held_out_goals > 0

    @property
    def _why_none_is_held_out(self) -> str:
        return "trains on all its goals, as published: evaluate on the training split, or set some aside with held_out_goals"

    @property
    def has_validation(self) -> bool:
        return self.validation_goals > 0

    @property
    def _why_none_is_for_validation(self) -> str:
        return "sets no goals aside for validation: give validation_goals, or choose settings on the training split"

    def _make(self) -> GridEnvironment:
        return GridEnvironment(self.size, self.horizon, start=(0, 0), pays_again=True, miss=-0.1, sight=self.sight)

    def all_targets(self) -> tuple[np.ndarray, np.ndarray]:
        cells = every_cell(self.size)
        goals = cells[cells.max(axis=1) >= 2]
        if not 0 <= self.held_out_goals < len(goals):
            raise ValueError(f"held_out_goals={self.held_out_goals}: of {len(goals)} goals, hold out 0 to {len(goals) - 1}")
        left = len(goals) - self.held_out_goals
        if not 0 <= self.validation_goals < left:
            raise ValueError(f"validation_goals={self.validation_goals}: of {left} goals left, set aside 0 to {left - 1}")
        splits = np.full(len(goals), "train", object)
        splits[_evenly(self.held_out_goals, len(goals))] = "held-out"
        splits[np.flatnonzero(splits == "train")[_evenly(self.validation_goals, left)]] = "validation"
        return goals[:, None], splits

    def reference_return(self, num_steps: int) -> Reference:
        """Returns the Bayes-optimal return of a lifetime of whole episodes if known, else the return with the goal known."""
        episodes, rest = divmod(num_steps, self.horizon)
        returns = None
        if not (rest or self.held_out_goals or self.validation_goals):
            returns = bayes_optimal_episode_returns(episodes, size=self.size, horizon=self.horizon)
        return super().reference_return(num_steps) if returns is None else Reference("Bayes optimum", sum(returns), "lifetime")


def _evenly(number: int, of: int) -> np.ndarray:
    """Returns ``number`` evenly spaced indices below ``of``."""
    return (2 * np.arange(number) + 1) * of // (2 * max(number, 1))
