"""The environment of MinAtar: several games of gymnax with common spaces (Young and Tian 2019, arXiv 1903.03176)."""

from typing import Any, Literal, TypeAlias

import gymnax
import jax
import jax.numpy as jnp
from gymnax.environments import environment, spaces

from jmeta import struct
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
