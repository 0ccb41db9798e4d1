"""The Bayes optimum of GridNavi (Zintgraf et al. 2020, VariBAD, arXiv 1910.08348) and its proof.

An agent starts each episode of H steps in the corner of a square room. The goal is the same in every episode, and uniform over
the cells outside the 2 by 2 block at the start. A step that ends on the goal earns 1, any other -0.1.

Until the goal is found, the agent only learns which cells are not the goal. So a policy is a walk that is followed until it
meets the goal. An agent that first meets it at step d of an episode does best to stay there, and earns
(H - d + 1) - 0.1 (d - 1) in the episode.

*Upper bounds.* A step meets at most one new possible goal, and none before step 2. So in the first episode the steps d at which
the walk would meet the M possible goals are distinct and at least 2. Hence no walk earns more than one that meets a new possible
goal at each of d = 2, 3, ... until the episode or the goals end. In every episode, no agent earns more than with the goal known,
where d is the goal's distance.

*The bounds are attained.* Let a first walk meet a new possible goal at every step from the second on. Let the remaining goals
lie on one shortest path, so that a second walk meets each of them at a step equal to its distance. The first walk earns its
bound. The second episode earns as much as with the goal known, whether the goal was found before or is on that path, and so do
all later ones. Every episode earns its bound, so these walks are Bayes-optimal. ``optimal_walks`` finds them by search.
"""

import functools
from collections.abc import Iterator
from typing import TypeAlias

Cell: TypeAlias = tuple[int, int]
Walk: TypeAlias = tuple[Cell, ...]  # cells after steps 1, 2, ...

MOVES = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))  # stay, up, right, down, left, as in the task
START = (0, 0)
MAX_SIZE = 5  # in larger rooms there are too many walks to search


@functools.cache
def optimal_walks(size: int = 5, horizon: int = 15) -> tuple[Walk, Walk] | None:
    """Returns the walks of the first and the second episode that attain the upper bounds.

    Args:
      size: cells per side of the room, at least 3.
      horizon: environment steps of an episode.

    Returns:
      Both walks, each of minimal length. None if there are none or the room has more than 5 cells per side: then the optimum is
      unknown.
    """
    goals = _goals(size)
    if size > MAX_SIZE:
        return None
    for first in _walks_without_a_miss(goals, min(horizon, len(goals) + 1)):
        second = _shortest_path_through(goals - set(first))
        if second is not None and len(second) <= horizon:
            return first, second
    return None


def bayes_optimal_episode_returns(num_episodes: int = 4, *, size: int = 5, horizon: int = 15) -> tuple[float, ...] | None:
    """Returns the expected return of each episode of a Bayes-optimal agent; the module's docstring has the proof.

    Args:
      num_episodes: episodes of a lifetime.
      size: cells per side of the room, at least 3.
      horizon: environment steps of an episode.

    Returns:
      One return for each episode, or None where ``optimal_walks`` finds none.

    Example:
      >>> [round(value, 4) for value in bayes_optimal_episode_returns()]
      [4.0, 11.0714, 11.0714, 11.0714]
    """
    if optimal_walks(size, horizon) is None:
        return None
    goals = _goals(size)
    met_at = range(2, min(horizon, len(goals) + 1) + 1)
    missed = (len(goals) - len(met_at)) * -0.1 * horizon
    searching = (sum(_return(step, horizon) for step in met_at) + missed) / len(goals)
    knowing = sum(_return(sum(goal), horizon) for goal in goals) / len(goals)
    return (searching, *[knowing] * (num_episodes - 1))[:num_episodes]


def _return(step: int, horizon: int) -> float:
    """Returns the return of an episode in which the goal is reached at this step."""
    return (horizon - step + 1) - 0.1 * (step - 1)


def _goals(size: int) -> frozenset[Cell]:
    if size < 3:
        raise ValueError(f"size={size}: a room has goals outside the block at its start only with at least 3 cells per side")
    return frozenset((x, y) for x in range(size) for y in range(size) if max(x, y) >= 2)


def _walks_without_a_miss(goals: frozenset[Cell], length: int) -> Iterator[Walk]:
    """Yields all walks of ``length`` steps that meet a new goal at every step but the first, which goes right."""

    def extend(walk: Walk) -> Iterator[Walk]:
        if len(walk) == length:
            yield walk
            return
        x, y = walk[-1]
        for dx, dy in MOVES[1:]:
            cell = (x + dx, y + dy)
            if cell in goals and cell not in walk:
                yield from extend((*walk, cell))

    return extend(((1, 0),))  # by symmetry, walks that begin upwards need no search


def _shortest_path_through(cells: frozenset[Cell]) -> Walk | None:
    """Returns a walk from the start, right and up only, that visits all cells; None if there is none."""
    walk = [START]
    for goal_x, goal_y in sorted(cells, key=sum):
        x, y = walk[-1]
        if goal_x < x or goal_y < y:
            return None
        walk += [(i, y) for i in range(x + 1, goal_x + 1)] + [(goal_x, j) for j in range(y + 1, goal_y + 1)]
    return tuple(walk[1:])
