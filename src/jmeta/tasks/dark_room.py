"""Dark Room and Dark Key-to-Door: find what is not shown and remember where it was (Laskin et al. 2022, arXiv 2210.14215)."""

import dataclasses
from typing import ClassVar

import numpy as np

from jmeta.tasks.grid import GridEnvironment, GridTasks, Sight, every_cell


@dataclasses.dataclass(frozen=True)
class DarkRoom(GridTasks):
    """One goal cell pays 1 at every step on it, and nothing else pays; actions are stay, up, right, down, left.

    Episodes begin in the middle and last ``horizon`` steps. The goal is any cell. Goals with (x + 2 y) mod 5 = 0 are held out: a
    fifth of the room, spread so that the four neighbours of each are training goals.

    The paper's Dark Room Hard is ``DarkRoom(size=17, pays_again=False)``.

    Args:
      size: cells of a side, at least 3.
      horizon: environment steps of an episode.
      num_episodes: episodes of a lifetime.
      pays_again: whether the goal pays at every step on it; otherwise once in an episode.
      sight: the position as its coordinates, in [-1, 1], or one-hot.

    References:
      Laskin et al. 2022, arXiv 2210.14215.
    """

    size: int = 9
    horizon: int = 20
    num_episodes: int = 10
    pays_again: bool = True
    sight: Sight = "coordinates"

    name: ClassVar[str] = "dark-room"

    def _make(self) -> GridEnvironment:
        middle = (self.size // 2, self.size // 2)
        return GridEnvironment(self.size, self.horizon, start=middle, pays_again=self.pays_again, sight=self.sight)

    def all_targets(self) -> tuple[np.ndarray, np.ndarray]:
        goals = every_cell(self.size)[:, None]
        return goals, _is_held_out(goals)


@dataclasses.dataclass(frozen=True)
class DarkKeyToDoor(GridTasks):
    """Finding the key pays 1, then finding the door pays 1, each once in an episode; actions are as in ``DarkRoom``.

    Episodes begin in a cell drawn anew each time and last ``horizon`` steps. Key and door are any two cells, or one. Pairs with
    (x + 2 y of the key) + (x + 2 y of the door) = 0 mod 5 are held out: a fifth, among them every key and every door.

    Args:
      size: cells of a side, at least 3.
      horizon: environment steps of an episode.
      num_episodes: episodes of a lifetime.
      sight: the position as its coordinates, in [-1, 1], or one-hot. Whether the key has been found is not seen.

    References:
      Laskin et al. 2022, arXiv 2210.14215.
    """

    size: int = 9
    horizon: int = 50
    num_episodes: int = 10
    sight: Sight = "coordinates"

    name: ClassVar[str] = "dark-key-to-door"

    def _make(self) -> GridEnvironment:
        return GridEnvironment(self.size, self.horizon, num_targets=2, start=None, pays_again=False, sight=self.sight)

    def all_targets(self) -> tuple[np.ndarray, np.ndarray]:
        cells = every_cell(self.size)
        key, door = np.meshgrid(np.arange(len(cells)), np.arange(len(cells)), indexing="ij")
        pairs = cells[np.stack([key, door], axis=-1).reshape(-1, 2)]
        return pairs, _is_held_out(pairs)


def _is_held_out(targets: np.ndarray) -> np.ndarray:
    return (targets @ np.array([1, 2])).sum(-1) % 5 == 0
