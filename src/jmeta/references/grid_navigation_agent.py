"""An agent that navigates a grid Bayes-optimally, by the walks of ``grid_navigation.py``."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from jmeta import struct
from jmeta.references.classical import NEVER, HandWritten
from jmeta.references.grid_navigation import MOVES, START, optimal_walks
from jmeta.types import ActionSpace, Decision, Discrete, Empty, Timestep


class Search(NamedTuple):
    """The memory of ``BayesOptimalGridNavi``."""

    position: jax.Array  # [2] int32
    goal: jax.Array  # [2] int32, once it is found
    found: jax.Array  # [] bool
    time: jax.Array  # [] int32, steps since the episode began
    episode: jax.Array  # [] int32, episodes begun


@struct.dataclass
class BayesOptimalGridNavi(HandWritten[Search]):
    """Searches GridNavi optimally, then goes straight to the goal.

    It tracks its position by its own actions and does not use the observation. A positive reward means that it is on the goal.

    Attributes:
      observation_size: size of the observation, which is not used.
      action_space: stay, up, right, down, left.
      size: cells per side of the room.
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

    def initial_memory(self, theta: Empty) -> Search:
        corner, count = jnp.zeros(2, jnp.int32), jnp.zeros((), jnp.int32)
        return Search(corner, corner, jnp.zeros((), bool), count, count)

    def act(self, theta: Empty, phi: Empty, memory: Search, timestep: Timestep) -> tuple[Decision, Search]:
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
        logits = jnp.where(jnp.arange(len(MOVES)) == action, jnp.float32(0.0), NEVER)
        return Decision(dist.CategoricalLogits(logits), jnp.zeros((), jnp.float32)), memory

    def _walk_actions(self) -> np.ndarray:
        """Returns the actions [2, H] of both walks, which stay after their last cell."""
        walks = optimal_walks(self.size, self.horizon)
        assert walks is not None  # by construction
        actions = np.zeros((2, self.horizon), np.int32)
        for row, walk in zip(actions, walks, strict=True):
            for step, (before, after) in enumerate(zip((START, *walk), walk, strict=False)):
                row[step] = MOVES.index((after[0] - before[0], after[1] - before[1]))
        return actions
