"""MinAtar: five small Atari games of gymnax; the task is the game (Young and Tian 2019, arXiv 1903.03176)."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from jmeta.tasks.base import TaskDistribution
from jmeta.tasks.definition import check_at_least
from jmeta.tasks.minatar_environment import GAMES, EnvParams, Game, MinAtarEnvironment


@dataclasses.dataclass(frozen=True)
class MinAtar(TaskDistribution):
    """Games on a 10 by 10 screen, drawn uniformly; held-out and validation tasks are other games.

    The observation is the game's channels, flattened, and padded with empty channels to the largest number among the given
    games. All six actions exist in every game; those that a game does not use do nothing. Seaquest is not among the defaults
    because gymnax steps it 20 times more slowly than any other game.

    Args:
      games: games that training draws from, of asterix, breakout, freeway, seaquest and space-invaders.
      held_out_games: games that the held-out split draws from; none of them may be in ``games``.
      validation_games: games to choose settings on; none of them may be in ``games`` or ``held_out_games``.
      max_steps: time limit of an episode in environment steps, at least 1. The games' own limits are 2500 for Freeway, else 1000.
      num_episodes: full-length episodes in a lifetime, at least 1.

    References:
      Young and Tian 2019, arXiv 1903.03176; Lange 2022, https://github.com/RobertTLange/gymnax.
    """

    games: tuple[Game, ...] = ("asterix", "freeway", "space-invaders")
    held_out_games: tuple[Game, ...] = ("breakout",)
    validation_games: tuple[Game, ...] = ()
    max_steps: int = 1000
    num_episodes: int = 1

    name: ClassVar[str] = "minatar"

    def __post_init__(self) -> None:
        super().__post_init__()
        every = self._every_game
        for game in every:
            if game not in GAMES:
                raise ValueError(f"{game!r} is not a game of MinAtar: choose from {', '.join(GAMES)}")
            if every.count(game) > 1:
                raise ValueError(f"{game!r} is given {every.count(game)} times: give each game once")
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

    @property
    def has_validation(self) -> bool:
        return bool(self.validation_games)

    @property
    def _every_game(self) -> tuple[Game, ...]:
        return (*self.games, *self.held_out_games, *self.validation_games)

    def sample(self, key: jax.Array) -> EnvParams:
        games = {"held-out": self.held_out_games, "validation": self.validation_games}.get(self.split, self.games)
        first = self._every_game.index(games[0])
        game = jax.random.randint(self._split_key(key), (), first, first + len(games))
        return EnvParams(game=game, max_steps_in_episode=jnp.asarray(self.max_steps, jnp.int32))

    def describe(self, task: EnvParams) -> jax.Array:
        """Returns the game as a one-hot vector over the training, held-out and validation games."""
        return jax.nn.one_hot(task.game, len(self._every_game), dtype=jnp.float32)
