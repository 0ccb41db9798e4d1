"""Gaussian bandits: find the arm with the highest mean reward (the testbed of Sutton and Barto 2018, section 2.3)."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from gymnax.environments import environment

from jmeta import struct
from jmeta.tasks.bandit import Bandit, BanditEnvironment, check_num_arms


@struct.dataclass
class EnvParams(environment.EnvParams):
    """The task."""

    means: jax.Array = struct.field(default_factory=lambda: jnp.zeros(0))  # [num_arms]
    noise: jax.Array | float = 1.0  # standard deviation of a reward about its mean
    max_steps_in_episode: jax.Array | int = 1


class GaussianBanditEnvironment(BanditEnvironment):
    """The reward is the pulled arm's mean plus normal noise."""

    @property
    def default_params(self) -> EnvParams:
        return EnvParams(means=jnp.zeros(self.num_arms, jnp.float32))

    def pay(self, key: jax.Array, chosen: jax.Array, params: EnvParams) -> jax.Array:
        return jnp.sum(chosen * params.means) + params.noise * jax.random.normal(key)


@dataclasses.dataclass(frozen=True)
class GaussianBandit(Bandit):
    """Arms that pay N(mean, noise²), the means drawn from N(0, 1) and fixed for the lifetime.

    Training covers every mean, so there is no out-of-distribution split. gymnax's environment of the same name has one known arm;
    here it is ``GymnaxGaussianBandit``.

    Args:
      num_arms: number of arms, at least 2.
      num_pulls: pulls in a lifetime, at least 1; one pull is one environment step and one episode.
      noise: standard deviation of a reward about its arm's mean, at least 0.

    References:
      Sutton and Barto 2018, Reinforcement Learning, 2nd edition, section 2.3: the 10-armed testbed, with noise 1.
    """

    num_arms: int = 10
    num_pulls: int = 100
    noise: float = 1.0

    name: ClassVar[str] = "gaussian-bandit"

    def __post_init__(self) -> None:
        check_num_arms(self.num_arms)
        if not self.noise >= 0.0:
            raise ValueError(f"noise={self.noise}: a standard deviation is at least 0")
        super().__post_init__()

    def _make(self) -> BanditEnvironment:
        return GaussianBanditEnvironment(self.num_arms)

    def sample(self, key: jax.Array) -> EnvParams:
        return EnvParams(
            means=jax.scipy.special.ndtri(self.uniform(key, (self.num_arms,))),
            noise=jnp.asarray(self.noise, jnp.float32),
            max_steps_in_episode=jnp.asarray(1, jnp.int32),
        )

    def mean_rewards(self, task: EnvParams) -> jax.Array:
        return task.means

    def describe(self, task: EnvParams) -> jax.Array:
        """Returns the means of the arms."""
        return task.means
