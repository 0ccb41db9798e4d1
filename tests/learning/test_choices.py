"""Learning with several choices at a time."""

import dataclasses
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp

import jmeta
from tests.tasks.broken_families import Corridor, Corridors, Params, State


class Lock(Corridor):
    """One step; the pair (1, 2) of the six pays 1, and nothing else pays."""

    default_params = Params(max_steps_in_episode=1)

    def step_env(self, key: jax.Array, state: State, action: Any, params: Params) -> tuple:
        paid = jnp.all(action == jnp.array([1, 2])).astype(jnp.float32)
        return jnp.zeros(1), State(position=state.position, time=state.time + 1), paid, jnp.array(True), {}

    def action_space(self, params: Params) -> Any:
        return gymnasium.spaces.MultiDiscrete([2, 3])


@dataclasses.dataclass(frozen=True)
class Locks(Corridors):
    environment = Lock()

    def sample(self, key: jax.Array) -> Params:
        return Params(prize=self.uniform(key), max_steps_in_episode=1)


def test_the_one_pair_that_pays_is_found() -> None:
    """Random choices earn 1/6; after 60 outer steps RL² earns more than 0.9."""
    outer = jmeta.algorithms.rl2(Locks(), hidden_size=4, num_tasks=128, lifetime_length=2, learning_rate=0.03)
    before = outer.init(jax.random.key(0)).theta
    trained = jmeta.train(outer, 0, num_steps=60, progress=False)

    def score(theta: Any) -> float:
        result = jmeta.evaluate(outer.inner, Locks(), theta, 1, protocol=outer.protocol, num_tasks=500, progress=False)
        return float(result.episode_returns.mean())

    assert 0.1 < score(before) < 0.25
    assert score(trained.theta) > 0.9
