"""Bernoulli bandits: find the arm that pays most often (Duan et al. 2016, arXiv 1611.02779)."""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments import environment, spaces

from jmeta.references.bernoulli_bandit import bayes_optimal_return
from jmeta.tasks.base import Reference, TaskDistribution


@struct.dataclass
class EnvState(environment.EnvState):
    """What changes within an episode."""

    time: jax.Array


@struct.dataclass
class EnvParams(environment.EnvParams):
    """The task."""

    probabilities: jax.Array = struct.field(default_factory=lambda: jnp.zeros(0))  # [num_arms]
    max_steps_in_episode: jax.Array | int = 1


class BernoulliBanditEnvironment(environment.Environment[EnvState, EnvParams]):
    """Pull one arm; reward 1 with that arm's probability, else 0. Each pull is an episode; there is nothing to observe."""

    def __init__(self, num_arms: int):
        super().__init__()
        self.num_arms = num_arms

    @property
    def default_params(self) -> EnvParams:
        return EnvParams(probabilities=jnp.full(self.num_arms, 0.5, jnp.float32))

    def step_env(
        self, key: jax.Array, state: EnvState, action: Any, params: EnvParams
    ) -> tuple[jax.Array, EnvState, jax.Array, jax.Array, dict[Any, Any]]:
        chosen = jnp.arange(self.num_arms) == action
        probability = jnp.sum(jnp.where(chosen, params.probabilities, 0.0))
        reward = jax.random.bernoulli(key, probability).astype(jnp.float32)
        return jnp.ones(1), EnvState(time=state.time + 1), reward, jnp.array(True), {}

    def reset_env(self, key: jax.Array, params: EnvParams) -> tuple[jax.Array, EnvState]:
        return jnp.ones(1), EnvState(time=jnp.array(0, jnp.int32))

    @property
    def num_actions(self) -> int:
        return self.num_arms

    def action_space(self, params: EnvParams | None = None) -> spaces.Discrete:
        return spaces.Discrete(self.num_arms)

    def observation_space(self, params: EnvParams) -> spaces.Box:
        return spaces.Box(1.0, 1.0, (1,))


@dataclasses.dataclass(frozen=True)
class BernoulliBandit(TaskDistribution):
    """Arms that pay 1 with unknown probabilities, each uniform on (0, 1) and fixed for the lifetime.

    A lifetime is ``num_pulls`` pulls and its score the sum of their rewards. Training covers every probability, so there is no
    out-of-distribution split.

    Args:
      num_arms: number of arms, at least 2.
      num_pulls: pulls in a lifetime, at least 1; one pull is one environment step and one episode.

    References:
      Duan et al. 2016, arXiv 1611.02779, section 3.2.1.
    """

    num_arms: int = 5
    num_pulls: int = 10

    name: ClassVar[str] = "bernoulli-bandit"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_arms < 2:
            raise ValueError(f"num_arms={self.num_arms}: a bandit needs at least 2 arms")
        if self.num_pulls < 1:
            raise ValueError(f"num_pulls={self.num_pulls}: a lifetime needs at least 1 pull")
        object.__setattr__(self, "_environment", BernoulliBanditEnvironment(self.num_arms))

    @property
    def environment(self) -> BernoulliBanditEnvironment:
        return self._environment  # type: ignore[attr-defined]

    @property
    def lifetime_length(self) -> int:
        return self.num_pulls

    def sample(self, key: jax.Array) -> EnvParams:
        limit = jnp.asarray(1, jnp.int32)
        return EnvParams(probabilities=self.uniform(key, (self.num_arms,)), max_steps_in_episode=limit)

    def reference_return(self, num_steps: int) -> Reference | None:
        """The Bayes-optimal sum of rewards, computed exactly where that takes seconds."""
        value = bayes_optimal_return(self.num_arms, num_steps)
        return None if value is None else Reference("Bayes optimum", value, "lifetime")
