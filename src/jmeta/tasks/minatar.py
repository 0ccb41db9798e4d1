"""MinAtar: five small Atari games of gymnax; the task is the game (Young and Tian 2019, arXiv 1903.03176)."""

import dataclasses
from typing import Any, ClassVar, Literal, TypeAlias

import gymnax
import jax
import jax.numpy as jnp
from gymnax.environments import environment, spaces

from jmeta import struct
from jmeta.tasks.base import TaskDistribution
from jmeta.tasks.definition import check_at_least
from jmeta.types import PyTree

Game: TypeAlias = Literal["asterix", "breakout", "freeway", "seaquest", "space-invaders"]
GAMES: dict[str, str] = {
    "asterix": "Asterix-MinAtar",
    "breakout": "Breakout-MinAtar",
    "freeway": "Freeway-MinAtar",
    "seaquest": "Seaquest-MinAtar",
    "space-invaders": "SpaceInvaders-MinAtar",
}
SIDE = 10  # cells of a side
ACTIONS = 6  # nothing, left, up, right, down, fire


@struct.dataclass
class EnvState(environment.EnvState):
    """Environment state."""

    games: tuple[PyTree, ...]  # the state of each game; only that of the task's game changes
    time: jax.Array  # [] int32


@struct.dataclass
class EnvParams(environment.EnvParams):
    """The task."""

    game: jax.Array | int = 0  # [] int32, an index into the environment's games
    max_steps_in_episode: jax.Array | int = 1000


class MinAtarEnvironment(environment.Environment[EnvState, EnvParams]):
    """Several games with common spaces: all six actions, and as many channels as the game with the most."""

    def __init__(self, games: tuple[str, ...], max_steps: int):
        super().__init__()
        self.games = tuple(gymnax.make(GAMES[game], use_minimal_action_set=False)[0] for game in games)
        self.num_channels = max(game.obs_shape[-1] for game in self.games)
        self.max_steps = max_steps

    @property
    def default_params(self) -> EnvParams:
        return EnvParams(max_steps_in_episode=self.max_steps)

    def step_env(
        self, key: jax.Array, state: EnvState, action: Any, params: EnvParams
    ) -> tuple[jax.Array, EnvState, jax.Array, jax.Array, dict[Any, Any]]:
        def play(index: int) -> Any:
            def step() -> tuple[jax.Array, tuple[PyTree, ...], jax.Array, jax.Array]:
                game, before = self.games[index], state.games[index]
                screen, after, reward, over, _ = game.step_env(key, before, action, game.default_params)
                after = jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), after, before)
                games = (*state.games[:index], after, *state.games[index + 1 :])
                return self._pad(screen), games, jnp.asarray(reward, jnp.float32), jnp.asarray(over, bool)

            return step

        screen, games, reward, over = jax.lax.switch(params.game, [play(i) for i in range(len(self.games))])
        return screen, EnvState(games=games, time=state.time + 1), reward, over, {}

    def reset_env(self, key: jax.Array, params: EnvParams) -> tuple[jax.Array, EnvState]:
        screens, states = zip(*(game.reset_env(key, game.default_params) for game in self.games), strict=True)
        states = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(leaf)), states)
        screen = jnp.stack([self._pad(screen) for screen in screens])[params.game]
        return screen, EnvState(games=states, time=jnp.array(0, jnp.int32))

    def _pad(self, screen: jax.Array) -> jax.Array:
        return jnp.pad(screen.astype(jnp.float32), ((0, 0), (0, 0), (0, self.num_channels - screen.shape[-1])))

    @property
    def num_actions(self) -> int:
        return ACTIONS

    def action_space(self, params: EnvParams | None = None) -> spaces.Discrete:
        return spaces.Discrete(ACTIONS)

    def observation_space(self, params: EnvParams) -> spaces.Box:
        return spaces.Box(0.0, 1.0, (SIDE, SIDE, self.num_channels))


@dataclasses.dataclass(frozen=True)
class MinAtar(TaskDistribution):
    """Games on a 10 by 10 screen, drawn uniformly; held-out tasks are other games.

    The observation is the game's channels, flattened, and padded with empty channels to the largest number among the given
    games. All six actions exist in every game; those that a game does not use do nothing. Seaquest is not among the defaults
    because gymnax steps it 20 times more slowly than any other game.

    Args:
      games: games that training draws from, of asterix, breakout, freeway, seaquest and space-invaders.
      held_out_games: games that the held-out split draws from; none of them may be in ``games``.
      max_steps: time limit of an episode in environment steps, at least 1. The games' own limits are 2500 for Freeway, else 1000.
      num_episodes: full-length episodes in a lifetime, at least 1.

    References:
      Young and Tian 2019, arXiv 1903.03176; Lange 2022, https://github.com/RobertTLange/gymnax.
    """

    games: tuple[Game, ...] = ("asterix", "freeway", "space-invaders")
    held_out_games: tuple[Game, ...] = ("breakout",)
    max_steps: int = 1000
    num_episodes: int = 1

    name: ClassVar[str] = "minatar"

    def __post_init__(self) -> None:
        super().__post_init__()
        every = (*self.games, *self.held_out_games)
        for game in every:
            if game not in GAMES:
                raise ValueError(f"{game!r} is not a game of MinAtar: choose from {', '.join(GAMES)}")
            if every.count(game) > 1:
                raise ValueError(f"{game!r} is given {every.count(game)} times: give each game once, to train on or to hold out")
        if not self.games:
            raise ValueError(f"games={self.games!r}: give at least one game to train on")
        check_at_least(self, max_steps=1, num_episodes=1)
        with jax.ensure_compile_time_eval():
            object.__setattr__(self, "_environment", MinAtarEnvironment(every, self.max_steps))

    @property
    def environment(self) -> MinAtarEnvironment:
        return self._environment  # type: ignore[attr-defined]

    @property
    def lifetime_length(self) -> int:
        return self.num_episodes * self.max_steps

    @property
    def has_held_out(self) -> bool:
        return bool(self.held_out_games)

    @property
    def _why_none_is_held_out(self) -> str:
        return "has no held-out games: name some in held_out_games, or evaluate on the training split, with another seed"

    def sample(self, key: jax.Array) -> EnvParams:
        trained, every = len(self.games), len(self.games) + len(self.held_out_games)
        low, high = (trained, every) if self.split == "held-out" else (0, trained)
        game = jax.random.randint(self._split_key(key), (), low, high)
        return EnvParams(game=game, max_steps_in_episode=jnp.asarray(self.max_steps, jnp.int32))

    def describe(self, task: EnvParams) -> jax.Array:
        """Returns the game as a one-hot vector over the training and held-out games."""
        return jax.nn.one_hot(task.game, len(self.games) + len(self.held_out_games), dtype=jnp.float32)
