"""The environment of grid worlds: an empty room with hidden target cells."""

from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import environment, spaces

from jmeta import struct
from jmeta.references import grid_navigation
from jmeta.references.value_iteration import deterministic_value_iteration

Sight: TypeAlias = Literal["coordinates", "one-hot"]

MOVES = np.array(grid_navigation.MOVES, np.int32)  # stay, up, right, down, left
NOWHERE = np.array([[-1, -1]], np.int32)


@struct.dataclass
class EnvState(environment.EnvState):
    """Environment state."""

    position: jax.Array  # [2] int32, (x, y)
    found: jax.Array  # [] int32, targets found in this episode; stays 0 with pays_again
    time: jax.Array  # [] int32


@struct.dataclass
class EnvParams(environment.EnvParams):
    """The task."""

    targets: jax.Array = struct.field(default_factory=lambda: jnp.zeros((1, 2), jnp.int32))  # [G, 2] int32, in order
    max_steps_in_episode: jax.Array | int = 15


class GridEnvironment(environment.Environment[EnvState, EnvParams]):
    """A square room with walls; each step stays or moves by one cell. A step that ends on the next target pays 1.

    An episode lasts to the time limit.

    Args:
      size: cells per side of the room.
      horizon: environment steps of an episode.
      num_targets: number of targets G, which are found in order.
      start: (x, y) where an episode begins; None for a cell drawn at every reset.
      pays_again: whether the target pays at every step on it, instead of only when it is found; for a single target.
      miss: the reward of a step that does not end on the next target.
      sight: how the position is observed: as coordinates [2], scaled to [-1, 1], or as a one-hot cell [size²].
    """

    def __init__(
        self,
        size: int,
        horizon: int,
        *,
        num_targets: int = 1,
        start: tuple[int, int] | None,
        pays_again: bool,
        miss: float = 0.0,
        sight: Sight,
    ):
        super().__init__()
        self.size = size
        self.horizon = horizon
        self.num_targets = num_targets
        self.start = start
        self.pays_again = pays_again
        self.miss = miss
        self.sight = sight

    @property
    def default_params(self) -> EnvParams:
        return EnvParams(targets=jnp.zeros((self.num_targets, 2), jnp.int32), max_steps_in_episode=self.horizon)

    def step_env(
        self, key: jax.Array, state: EnvState, action: Any, params: EnvParams
    ) -> tuple[jax.Array, EnvState, jax.Array, jax.Array, dict[Any, Any]]:
        position = jnp.clip(state.position + jnp.asarray(MOVES)[action], 0, self.size - 1)
        hit = jnp.all(position == self._wanted(params)[state.found])
        found = state.found + (hit & (not self.pays_again))
        state = EnvState(position=position, found=found, time=state.time + 1)
        return self.see(position), state, jnp.where(hit, 1.0, self.miss), jnp.array(False), {}

    def reset_env(self, key: jax.Array, params: EnvParams) -> tuple[jax.Array, EnvState]:
        fixed = self.start is not None
        position = jnp.array(self.start, jnp.int32) if fixed else jax.random.randint(key, (2,), 0, self.size)
        zero = jnp.array(0, jnp.int32)
        return self.see(position), EnvState(position=position, found=zero, time=zero)

    def episode_values(self, params: EnvParams) -> jax.Array:
        """Returns the optimal returns [H + 1] of an agent that knows the task, with H, H - 1, ..., 0 steps remaining."""
        cells = every_cell(self.size)
        after = np.clip(cells[:, None] + MOVES, 0, self.size - 1)  # [C, A, 2]
        wanted = self._wanted(params)
        hit = jnp.all(after == wanted[:, None, None], axis=-1)  # [found, C, A]
        found = jnp.arange(len(wanted))[:, None, None] + (hit & (not self.pays_again))
        next_states = found * len(cells) + (after * [self.size, 1]).sum(-1)
        rewards = jnp.where(hit, 1.0, self.miss)
        shape = (len(wanted) * len(cells), len(MOVES))
        values = deterministic_value_iteration(next_states.reshape(shape), rewards.reshape(shape), self.horizon).values
        if self.start is None:
            return values[:, : len(cells)].mean(-1)
        return values[:, self.start[0] * self.size + self.start[1]]

    def _wanted(self, params: EnvParams) -> jax.Array:
        """Returns the rewarded cell for each number of targets found, [G or G + 1, 2]."""
        return params.targets if self.pays_again else jnp.concatenate([params.targets, NOWHERE])

    def see(self, position: jax.Array) -> jax.Array:
        """Returns the observation [observation_size] of a cell [2]."""
        if self.sight == "one-hot":
            return jax.nn.one_hot(position[0] * self.size + position[1], self.size**2, dtype=jnp.float32)
        return scale(position, self.size)

    @property
    def num_actions(self) -> int:
        return len(MOVES)

    def action_space(self, params: EnvParams | None = None) -> spaces.Discrete:
        return spaces.Discrete(len(MOVES))

    def observation_space(self, params: EnvParams) -> spaces.Box:
        if self.sight == "one-hot":
            return spaces.Box(0.0, 1.0, (self.size**2,))
        return spaces.Box(-1.0, 1.0, (2,))


def scale(position: jax.Array, size: int) -> jax.Array:
    """Scales coordinates 0 .. size - 1 to [-1, 1]."""
    return position.astype(jnp.float32) * (2.0 / (size - 1)) - 1.0


def every_cell(size: int) -> np.ndarray:
    """Returns the cells of a square room [size², 2], column by column."""
    return np.stack(np.meshgrid(np.arange(size), np.arange(size), indexing="ij"), axis=-1).reshape(-1, 2).astype(np.int32)
