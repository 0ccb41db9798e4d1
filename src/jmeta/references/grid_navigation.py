"""The Bayes optimum of GridNavi (Zintgraf et al. 2020, VariBAD, arXiv 1910.08348), its proof, and the agent that earns it.

An agent starts each episode of H steps in the corner of a square room. A goal, the same in every episode, is any cell but the
2 by 2 block at the start, uniformly. A step onto the goal, or on it, earns 1, any other -0.1.

Until the goal is found all that is learned is where it is not. So a policy is a walk that is followed until it meets the goal.
Who first meets it at step d of an episode and stays there earns (H - d + 1) - 0.1 (d - 1) in it, the most from then on.

*Bounds.* A step meets at most one new cell, and none before step 2. So in the first episode the steps d at which the walk would
meet the M possible goals are different ones, at least 2, and no walk earns more than one that meets a new one at each of
d = 2, 3, ... until H or M ends it. And no episode earns more than if the goal were known: then d is the goal's distance.

*They are met.* Let a first walk meet a new possible goal at every step from the second on, and let the goals that it leaves lie
on one shortest path, so that a second walk meets each of them at a step equal to its distance. The first walk earns its bound.
Then the second episode earns as much as if the goal were known, whether it was found before or is on that path, and so do all
later ones. Every episode earns its bound, so these walks are Bayes-optimal and the bounds are the optimum. ``optimal_walks``
finds them by search.
"""

import functools
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from jmeta import struct
from jmeta.references.classical import NEVER, HandWritten
from jmeta.types import ActionSpace, Decision, Discrete, Memory, Phi, Theta, Timestep

Cell: TypeAlias = tuple[int, int]
Walk: TypeAlias = tuple[Cell, ...]  # where it is after steps 1, 2, ...

MOVES = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))  # stay, up, right, down, left, as in the task
START = (0, 0)
MAX_SIZE = 5  # in larger rooms there are too many walks to search


@functools.cache
def optimal_walks(size: int = 5, horizon: int = 15) -> tuple[Walk, Walk] | None:
    """The walks of the first and the second episode that prove the optimum.

    Args:
      size: cells of a side, at least 3.
      horizon: environment steps of an episode.

    Returns:
      Both walks, neither longer than it needs to be. None if there are none or the room has over 5 cells a side: then the
      optimum is unknown.
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
    """The expected return of each episode of a Bayes-optimal agent; see the module for the proof.

    Args:
      num_episodes: episodes of a lifetime.
      size: cells of a side, at least 3.
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
        raise ValueError(f"size={size}: a room without the block at its start has at least 3 cells a side")
    return frozenset((x, y) for x in range(size) for y in range(size) if max(x, y) >= 2)


def _walks_without_a_miss(goals: frozenset[Cell], length: int) -> Iterator[Walk]:
    """All walks of ``length`` steps that meet a new goal at every step but the first, which goes right."""

    def extend(walk: Walk) -> Iterator[Walk]:
        if len(walk) == length:
            yield walk
            return
        x, y = walk[-1]
        for dx, dy in MOVES[1:]:
            cell = (x + dx, y + dy)
            if cell in goals and cell not in walk:
                yield from extend((*walk, cell))

    return extend(((1, 0),))  # upwards is the mirror image


def _shortest_path_through(cells: frozenset[Cell]) -> Walk | None:
    """A walk from the start, right and up only, that visits all of them; None if there is none."""
    walk = [START]
    for goal_x, goal_y in sorted(cells, key=sum):
        x, y = walk[-1]
        if goal_x < x or goal_y < y:
            return None
        walk += [(i, y) for i in range(x + 1, goal_x + 1)] + [(goal_x, j) for j in range(y + 1, goal_y + 1)]
    return tuple(walk[1:])


class Search(NamedTuple):
    """Memory of the agent."""

    position: jax.Array  # [2] int32
    goal: jax.Array  # [2] int32, once it is found
    found: jax.Array  # [] bool
    time: jax.Array  # [] int32, steps since the episode began
    episode: jax.Array  # [] int32, episodes begun


@struct.dataclass
class BayesOptimalGridNavi(HandWritten):
    """Searches GridNavi optimally, then goes straight to the goal.

    It counts its own steps and needs no observation: a positive reward says that it is on the goal.

    Attributes:
      observation_size: not looked at.
      action_space: stay, up, right, down, left.
      size: cells of a side.
      horizon: environment steps of an episode.

    Raises:
      ValueError: if the action space is another one, or the optimum for this size and horizon is unknown.
    """

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)
    size: int = struct.field(pytree_node=False, default=5)
    horizon: int = struct.field(pytree_node=False, default=15)

    def __post_init__(self) -> None:
        if self.action_space != Discrete(len(MOVES)):
            raise ValueError(f"action_space={self.action_space}: GridNavi has {len(MOVES)} actions, Discrete({len(MOVES)})")
        if optimal_walks(self.size, self.horizon) is None:
            raise ValueError(
                f"the optimum of size={self.size} and horizon={self.horizon} is unknown: the published 5 and 15 are known"
            )

    def initial_memory(self, theta: Theta) -> Memory:
        corner, count = jnp.zeros(2, jnp.int32), jnp.zeros((), jnp.int32)
        return Search(corner, corner, jnp.zeros((), bool), count, count)

    def act(self, theta: Theta, phi: Phi, memory: Memory, timestep: Timestep) -> tuple[Decision, Memory]:
        move = timestep.previous_action.astype(jnp.int32) @ jnp.asarray(MOVES, jnp.int32)
        position = jnp.clip(memory.position + move, 0, self.size - 1)
        memory = Search(
            position=jnp.where(timestep.first, jnp.asarray(START, jnp.int32), position),
            goal=jnp.where(timestep.previous_reward > 0, position, memory.goal),
            found=memory.found | (timestep.previous_reward > 0),
            time=jnp.where(timestep.first, 0, memory.time + 1),
            episode=memory.episode + timestep.first,
        )
        walk = jnp.asarray(self._walk_actions())[jnp.minimum(memory.episode - 1, 1), jnp.minimum(memory.time, self.horizon - 1)]
        right, up = jnp.sign(memory.goal - memory.position)
        straight = jnp.where(right != 0, 3 - right, jnp.where(up != 0, 2 - up, 0))  # left 4, right 2; down 3, up 1; stay 0
        action = jnp.where(memory.found, straight, walk)
        logits = jnp.where(jnp.arange(len(MOVES)) == action, 0.0, NEVER)
        return Decision(dist.CategoricalLogits(logits), jnp.zeros((), jnp.float32)), memory

    def _walk_actions(self) -> np.ndarray:
        """The moves [2, H] of both walks; at their ends they stay."""
        walks = optimal_walks(self.size, self.horizon)
        assert walks is not None  # by construction
        actions = np.zeros((2, self.horizon), np.int32)
        for row, walk in zip(actions, walks, strict=True):
            for step, (before, after) in enumerate(zip((START, *walk), walk, strict=False)):
                row[step] = MOVES.index((after[0] - before[0], after[1] - before[1]))
        return actions
