"""The environments of 2-D navigation: a point moves to a goal, with a dense or a sparse reward."""

import abc
from typing import Any

import jax
import jax.numpy as jnp
from gymnax.environments import environment, spaces

from jmeta import struct

MAX_STEP = 0.1  # displacement per axis and environment step


@struct.dataclass
class EnvState(environment.EnvState):
    """Environment state."""

    position: jax.Array  # [2]
    time: jax.Array  # [] int32


@struct.dataclass
class EnvParams(environment.EnvParams):
    """The task."""

    goal: jax.Array = struct.field(default_factory=lambda: jnp.zeros(2))  # [2]
    max_steps_in_episode: jax.Array | int = 100


class PointEnvironment(environment.Environment[EnvState, EnvParams], abc.ABC):
    """A point starts at (0, 0) and moves by up to 0.1 per axis and step. It observes its position only."""

    def __init__(self, horizon: int):
        super().__init__()
        self.horizon = horizon

    @property
    def default_params(self) -> EnvParams:
        return EnvParams(max_steps_in_episode=self.horizon)

    @abc.abstractmethod
    def outcome(self, position: jax.Array, params: EnvParams) -> tuple[jax.Array, jax.Array]:
        """Returns (the reward [], whether the episode has terminated []) of a step to ``position``."""

    def step_env(
        self, key: jax.Array, state: EnvState, action: Any, params: EnvParams
    ) -> tuple[jax.Array, EnvState, jax.Array, jax.Array, dict[Any, Any]]:
        position = state.position + jnp.clip(action, -MAX_STEP, MAX_STEP)
        reward, terminated = self.outcome(position, params)
        return position, EnvState(position=position, time=state.time + 1), reward, terminated, {}

    def reset_env(self, key: jax.Array, params: EnvParams) -> tuple[jax.Array, EnvState]:
        state = EnvState(position=jnp.zeros(2), time=jnp.array(0, jnp.int32))
        return state.position, state

    @property
    def num_actions(self) -> int:
        return 2

    def action_space(self, params: EnvParams | None = None) -> spaces.Box:
        return spaces.Box(-MAX_STEP, MAX_STEP, (2,))

    def observation_space(self, params: EnvParams) -> spaces.Box:
        return spaces.Box(-jnp.inf, jnp.inf, (2,))


class DensePointEnvironment(PointEnvironment):
    """Reward is minus the distance to the goal; the episode ends within 0.01 per axis of it."""

    def outcome(self, position: jax.Array, params: EnvParams) -> tuple[jax.Array, jax.Array]:
        offset = position - params.goal
        return -jnp.linalg.norm(offset), jnp.all(jnp.abs(offset) < 0.01)


class SparsePointEnvironment(PointEnvironment):
    """Reward is 1 - distance within 0.2 of the goal, else 0; there is no natural end."""

    def outcome(self, position: jax.Array, params: EnvParams) -> tuple[jax.Array, jax.Array]:
        distance = jnp.linalg.norm(position - params.goal)
        return jnp.where(distance <= 0.2, 1.0 - distance, 0.0), jnp.array(False)
