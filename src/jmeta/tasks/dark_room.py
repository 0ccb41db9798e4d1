"""Dark Room and Dark Key-to-Door: find hidden cells and remember where they are (Laskin et al. 2022, arXiv 2210.14215)."""

import dataclasses
from typing import ClassVar

import numpy as np

from jmeta.tasks.grid import GridTasks
from jmeta.tasks.grid_environment import GridEnvironment, Sight, every_cell


@dataclasses.dataclass(frozen=True)
class DarkRoom(GridTasks):
    """A room with a hidden goal cell: reward 1 at every step on it, else 0; actions are stay, up, right, down, left.

    Episodes begin in the middle and last ``horizon`` steps. The goal is any cell. Goals with (x + 2 y) mod 5 = 0 are held out:
    a fifth of the room, spread so that no two of them are neighbours. Where ``with_validation`` is set, those with
    (x + 2 y) mod 5 = 2 are for validation; where it is not, training draws them.

    The paper's Dark Room Hard is ``DarkRoom(size=17, pays_again=False)``.

    Args:
      size: cells per side of the room, at least 3.
      horizon: environment steps of an episode.
      num_episodes: episodes of a lifetime.
      pays_again: whether the goal pays a reward at every step on it; otherwise once per episode.
      sight: how the position is observed: as ``coordinates`` in [-1, 1], or ``one-hot``.
      with_validation: whether a fifth of the tasks is set aside to choose settings on.

    References:
      Laskin et al. 2022, arXiv 2210.14215.
    """

    size: int = 9
    horizon: int = 20
    num_episodes: int = 10
    pays_again: bool = True
    sight: Sight = "coordinates"
    with_validation: bool = False

    name: ClassVar[str] = "dark-room"

    @property
    def has_validation(self) -> bool:
        return self.with_validation

    def _make(self) -> GridEnvironment:
        middle = (self.size // 2, self.size // 2)
        return GridEnvironment(self.size, self.horizon, start=middle, pays_again=self.pays_again, sight=self.sight)

    def all_targets(self) -> tuple[np.ndarray, np.ndarray]:
        goals = every_cell(self.size)[:, None]
        return goals, _splits(goals, self.with_validation)


@dataclasses.dataclass(frozen=True)
class DarkKeyToDoor(GridTasks):
    """A room with a hidden key and door: reward 1 for finding the key, then 1 for the door, each once per episode.

    Actions are as in ``DarkRoom``. Episodes begin in a randomly drawn cell and last ``horizon`` steps. Key and door are any two
    cells, possibly the same. Pairs with (x + 2 y of the key) + (x + 2 y of the door) = 0 mod 5 are held out: a fifth of all
    pairs, in which every cell occurs as key and as door. Pairs for validation have the remainder 2, as in ``DarkRoom``.

    Args:
      size: cells per side of the room, at least 3.
      horizon: environment steps of an episode.
      num_episodes: episodes of a lifetime.
      sight: how the position is observed: as ``coordinates`` in [-1, 1], or ``one-hot``. Whether the key has been found is not
        observed.
      with_validation: whether a fifth of the tasks is set aside to choose settings on.

    References:
      Laskin et al. 2022, arXiv 2210.14215.
    """

    size: int = 9
    horizon: int = 50
    num_episodes: int = 10
    sight: Sight = "coordinates"
    with_validation: bool = False

    name: ClassVar[str] = "dark-key-to-door"

    @property
    def has_validation(self) -> bool:
        return self.with_validation

    def _make(self) -> GridEnvironment:
        return GridEnvironment(self.size, self.horizon, num_targets=2, start=None, pays_again=False, sight=self.sight)

    def all_targets(self) -> tuple[np.ndarray, np.ndarray]:
        cells = every_cell(self.size)
        key, door = np.meshgrid(np.arange(len(cells)), np.arange(len(cells)), indexing="ij")
        pairs = cells[np.stack([key, door], axis=-1).reshape(-1, 2)]
        return pairs, _splits(pairs, self.with_validation)


def _splits(targets: np.ndarray, validation: bool) -> np.ndarray:
    """Returns the split of each list of targets [M]."""
    remainder = (targets @ np.array([1, 2])).sum(-1) % 5
    splits = np.full(len(targets), "train", object)
    splits[remainder == 0] = "held-out"
    if validation:
        splits[remainder == 2] = "validation"
    return splits
