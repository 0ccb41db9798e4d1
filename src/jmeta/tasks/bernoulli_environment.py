"""The environment of Bernoulli bandits: each arm pays 1 with a probability of its own."""

import jax
import jax.numpy as jnp
from gymnax.environments import environment

from jmeta import struct
from jmeta.tasks.bandit import BanditEnvironment


@struct.dataclass
class EnvParams(environment.EnvParams):
    """The task."""

    probabilities: jax.Array = struct.field(default_factory=lambda: jnp.zeros(0))  # [num_arms]
    max_steps_in_episode: jax.Array | int = 1


class BernoulliBanditEnvironment(BanditEnvironment):
    """Reward 1 with the pulled arm's probability, else 0."""

    @property
    def default_params(self) -> EnvParams:
        return EnvParams(probabilities=jnp.full(self.num_arms, 0.5, jnp.float32))

    def pay(self, key: jax.Array, chosen: jax.Array, params: EnvParams) -> jax.Array:
        return jax.random.bernoulli(key, jnp.sum(chosen * params.probabilities)).astype(jnp.float32)


def task_of(probabilities: jax.Array) -> EnvParams:
    """Returns the task whose arms pay with these probabilities [num_arms]."""
    return EnvParams(probabilities=probabilities, max_steps_in_episode=jnp.asarray(1, jnp.int32))
