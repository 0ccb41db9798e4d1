"""Random tabular Markov decision processes (Duan et al. 2016, arXiv 1611.02779; Osband et al. 2013, arXiv 1306.0940)."""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from gymnax.environments import environment, spaces

from jmeta import struct
from jmeta.references.value_iteration import value_iteration
from jmeta.tasks.base import TaskDistribution
from jmeta.tasks.definition import check_at_least


@struct.dataclass
class EnvState(environment.EnvState):
    """Environment state."""

    position: jax.Array  # [] int32, the state of the MDP
    time: jax.Array  # [] int32


@struct.dataclass
class EnvParams(environment.EnvParams):
    """The task."""

    transitions: jax.Array = struct.field(default_factory=lambda: jnp.zeros((0, 0, 0)))  # [S, A, S]
    mean_rewards: jax.Array = struct.field(default_factory=lambda: jnp.zeros((0, 0)))  # [S, A]
    max_steps_in_episode: jax.Array | int = 10


class TabularEnvironment(environment.Environment[EnvState, EnvParams]):
    """Every episode starts in state 0 and lasts to the time limit; the reward of (state, action) has N(0, 1) noise."""

    def __init__(self, num_states: int, num_actions: int, horizon: int):
        super().__init__()
        self.num_states = num_states
        self._num_actions = num_actions
        self.horizon = horizon

    @property
    def default_params(self) -> EnvParams:
        shape = (self.num_states, self._num_actions)
        return EnvParams(
            transitions=jnp.full((*shape, self.num_states), 1.0 / self.num_states, jnp.float32),
            mean_rewards=jnp.ones(shape, jnp.float32),
            max_steps_in_episode=self.horizon,
        )

    def step_env(
        self, key: jax.Array, state: EnvState, action: Any, params: EnvParams
    ) -> tuple[jax.Array, EnvState, jax.Array, jax.Array, dict[Any, Any]]:
        move_key, noise_key = jax.random.split(key)
        below = jnp.cumsum(params.transitions[state.position, action]) <= jax.random.uniform(move_key)
        position = jnp.minimum(jnp.sum(below, dtype=jnp.int32), self.num_states - 1)  # a cumulative sum may end below 1
        reward = params.mean_rewards[state.position, action] + jax.random.normal(noise_key)
        return position, EnvState(position=position, time=state.time + 1), reward, jnp.array(False), {}

    def reset_env(self, key: jax.Array, params: EnvParams) -> tuple[jax.Array, EnvState]:
        start = jnp.array(0, jnp.int32)
        return start, EnvState(position=start, time=jnp.array(0, jnp.int32))

    @property
    def num_actions(self) -> int:
        return self._num_actions

    def action_space(self, params: EnvParams | None = None) -> spaces.Discrete:
        return spaces.Discrete(self._num_actions)

    def observation_space(self, params: EnvParams) -> spaces.Discrete:
        return spaces.Discrete(self.num_states)


@dataclasses.dataclass(frozen=True)
class TabularMDP(TaskDistribution):
    """MDPs with Dirichlet(1, ..., 1) transitions and N(1, 1) mean rewards, drawn independently for each (state, action).

    The agent observes the one-hot state, and rewards have N(0, 1) noise. Episodes start in state 0, last ``horizon`` steps and
    have no natural end. Training covers every MDP, so there is no out-of-distribution split.

    Args:
      num_states: states of the MDP, at least 2.
      num_actions: actions, at least 2.
      horizon: environment steps of an episode.
      num_episodes: episodes of a lifetime.

    References:
      Duan et al. 2016, arXiv 1611.02779, on tabular MDPs.
    """

    num_states: int = 10
    num_actions: int = 5
    horizon: int = 10
    num_episodes: int = 10

    name: ClassVar[str] = "tabular-mdp"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(self, num_states=2, num_actions=2, horizon=1, num_episodes=1)
        object.__setattr__(self, "_environment", TabularEnvironment(self.num_states, self.num_actions, self.horizon))

    @property
    def environment(self) -> TabularEnvironment:
        return self._environment  # type: ignore[attr-defined]

    @property
    def lifetime_length(self) -> int:
        return self.num_episodes * self.horizon

    def sample(self, key: jax.Array) -> EnvParams:
        transitions_key, rewards_key = jax.random.split(key)
        shape = (self.num_states, self.num_actions)
        exponential = -jnp.log(self.uniform(transitions_key, (*shape, self.num_states)))  # normalised, they are Dirichlet
        return EnvParams(
            transitions=exponential / exponential.sum(-1, keepdims=True),
            mean_rewards=1.0 + jax.scipy.special.ndtri(self.uniform(rewards_key, shape)),
            max_steps_in_episode=jnp.asarray(self.horizon, jnp.int32),
        )

    def oracle_return(self, task: EnvParams, num_steps: int) -> jax.Array:
        """Returns the optimal return; in a last episode that is cut short, the plan is for the steps that it has."""
        values = value_iteration(task.transitions, task.mean_rewards, self.horizon).values[:, 0]
        episodes, rest = divmod(num_steps, self.horizon)
        return episodes * values[0] + values[self.horizon - rest]
