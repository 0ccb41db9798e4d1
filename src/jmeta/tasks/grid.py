"""Base of grid worlds: an empty room with hidden target cells."""

import abc
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import environment, spaces

from jmeta import struct
from jmeta.references.value_iteration import deterministic_value_iteration
from jmeta.tasks.base import SPLITS, Reference, TaskDistribution
from jmeta.tasks.render import GOAL_COLOUR, draw_paths
from jmeta.types import Segment

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Sight: TypeAlias = Literal["coordinates", "one-hot"]

MOVES = np.array([[0, 0], [0, 1], [1, 0], [0, -1], [-1, 0]], np.int32)  # stay, up, right, down, left
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


class GridTasks(TaskDistribution):
    """Tasks drawn uniformly from a list. Subclass it with ``_make`` and ``all_targets``."""

    size: int  # fields of the subclass
    horizon: int
    num_episodes: int
    sight: Sight

    def __post_init__(self) -> None:
        super().__post_init__()
        for setting, least in (("size", 3), ("horizon", 1), ("num_episodes", 1)):
            if getattr(self, setting) < least:
                raise ValueError(f"{setting}={getattr(self, setting)}: give at least {least}")
        if self.sight not in ("coordinates", "one-hot"):
            raise ValueError(f"sight={self.sight!r} is not coordinates or one-hot")
        object.__setattr__(self, "_environment", self._make())
        targets, is_held_out = self.all_targets()
        object.__setattr__(self, "_targets", targets[is_held_out == (self.split == "held-out")])

    @abc.abstractmethod
    def _make(self) -> GridEnvironment:
        """Returns the environment; called once, when the distribution is made."""

    @abc.abstractmethod
    def all_targets(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the targets of all tasks [M, G, 2], and whether each task is held out [M]."""

    @property
    def environment(self) -> GridEnvironment:
        return self._environment  # type: ignore[attr-defined]

    @property
    def targets(self) -> np.ndarray:
        """The targets [M, G, 2] of all tasks of this split."""
        return self._targets  # type: ignore[attr-defined]

    @property
    def lifetime_length(self) -> int:
        return self.num_episodes * self.horizon

    def sample(self, key: jax.Array) -> EnvParams:
        index = jax.random.randint(jax.random.fold_in(key, SPLITS.index(self.split)), (), 0, len(self.targets))
        return self._task(jnp.asarray(self.targets, jnp.int32)[index])

    def describe(self, task: EnvParams) -> jax.Array:
        """Returns the coordinates of the targets, scaled to [-1, 1]."""
        return scale(task.targets, self.size).reshape(-1)

    def oracle_return(self, task: EnvParams, num_steps: int) -> jax.Array:
        """Returns the optimal return; in a last episode that is cut short, the plan is for the steps that it has."""
        values = self.environment.episode_values(task)
        episodes, rest = divmod(num_steps, self.horizon)
        return episodes * values[0] + values[self.horizon - rest]

    def reference_return(self, num_steps: int) -> Reference:
        """Returns the exact mean return of an episode for an agent that knows the targets."""
        returns = jax.jit(jax.vmap(lambda targets: self.environment.episode_values(self._task(targets))[0]))(self.targets)
        return Reference("goal known", float(np.asarray(returns, np.float64).mean()), "episode")

    def render(self, task: EnvParams, lived: Segment, axes: "Axes") -> None:
        """Draws the numbered targets and the path of each episode."""
        for number, (x, y) in enumerate(np.asarray(task.targets), start=1):
            axes.text(x, y, str(number), color=GOAL_COLOUR, size="x-large", ha="center", va="center")
        draw_paths(axes, lived, self.positions(lived.timestep.observation), self.positions(lived.next_observation))
        axes.set_xlim(-0.5, self.size - 0.5)
        axes.set_ylim(-0.5, self.size - 0.5)
        axes.set_xticks(np.arange(0.5, self.size - 1), labels=[])
        axes.set_yticks(np.arange(0.5, self.size - 1), labels=[])
        axes.grid(color="0.9", lw=0.8)

    def positions(self, observation: jax.Array | np.ndarray) -> np.ndarray:
        """Returns the cells [T, 2] of observations [T, observation_size]."""
        seen = np.asarray(observation)
        if self.sight == "one-hot":
            return np.stack(np.divmod(seen.argmax(-1), self.size), axis=-1)
        return np.round((seen + 1.0) * (self.size - 1) / 2.0)

    def _task(self, targets: jax.Array) -> EnvParams:
        return EnvParams(targets=targets, max_steps_in_episode=jnp.asarray(self.horizon, jnp.int32))


def scale(position: jax.Array, size: int) -> jax.Array:
    """Scales coordinates 0 .. size - 1 to [-1, 1]."""
    return position.astype(jnp.float32) * (2.0 / (size - 1)) - 1.0


def every_cell(size: int) -> np.ndarray:
    """Returns the cells of a square room [size², 2], column by column."""
    return np.stack(np.meshgrid(np.arange(size), np.arange(size), indexing="ij"), axis=-1).reshape(-1, 2).astype(np.int32)
