"""Probe tasks: each isolates one thing an agent must be able to do. One gymnax environment, several rules."""

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp
from gymnax.environments import environment, spaces

from jmeta import struct
from jmeta.tasks import TaskDistribution

Rule = Literal["constant", "bit", "irrelevant", "paid-search"]


@struct.dataclass
class State(environment.EnvState):
    time: jax.Array


@struct.dataclass
class Params(environment.EnvParams):
    bit: jax.Array = struct.field(default_factory=lambda: jnp.zeros(()))  # 0 or 1
    max_steps_in_episode: int = 1


class Probe(environment.Environment[State, Params]):
    """Two actions, or four where searching and waiting are among them. Rewards by rule.

    constant:    1 whatever happens.
    bit:         1 for the action that is the task's bit.
    irrelevant:  1 for action 0; the bit does not matter.
    paid-search: the right action is worth 1, the wrong one -2; action 2 costs 0.3 or 0.1, which tells the bit; action 3 does
                 nothing.
    """

    def __init__(self, rule: Rule):
        super().__init__()
        self.rule = rule

    @property
    def default_params(self) -> Params:
        return Params()

    def reset_env(self, key: jax.Array, params: Params) -> tuple[jax.Array, State]:
        return jnp.zeros(1), State(time=jnp.zeros((), jnp.int32))

    def step_env(self, key: jax.Array, state: State, action: Any, params: Params) -> tuple:
        right = (action == params.bit).astype(jnp.float32)
        reward = {
            "constant": jnp.ones(()),
            "bit": right,
            "irrelevant": (action == 0).astype(jnp.float32),
            "paid-search": jnp.select([action == 2, action == 3], [0.2 * params.bit - 0.3, 0.0], 3.0 * right - 2.0),
        }[self.rule]
        return jnp.zeros(1), State(time=state.time + 1), reward, jnp.array(False), {}

    def action_space(self, params: Params | None = None) -> spaces.Discrete:
        return spaces.Discrete(4 if self.rule == "paid-search" else 2)

    def observation_space(self, params: Params) -> spaces.Box:
        return spaces.Box(-1.0, 1.0, (1,))


@dataclasses.dataclass(frozen=True)
class ProbeTasks(TaskDistribution):
    """The task is one bit; there is nothing to hold out."""

    rule: Rule = "bit"
    episode_length: int = 1
    episodes: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "_environment", Probe(self.rule))

    @property
    def environment(self) -> Probe:
        return self._environment

    @property
    def has_held_out(self) -> bool:
        return False

    @property
    def horizon(self) -> int:
        return self.episode_length

    @property
    def lifetime_length(self) -> int:
        return self.episodes * self.episode_length

    def sample(self, key: jax.Array) -> Params:
        bit = jax.random.bernoulli(key).astype(jnp.float32)
        return Params(bit=bit, max_steps_in_episode=self.episode_length)
