"""Bernoulli bandits of two dependent arms: a pull of either is informative about both (Wang et al. 2016, arXiv 1611.05763)."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from jmeta.references.dependent_bandit import dependent_bandit_return, two_task_bandit_return
from jmeta.tasks.bandit import Bandit, BanditEnvironment
from jmeta.tasks.base import Reference
from jmeta.tasks.bernoulli_environment import BernoulliBanditEnvironment, EnvParams, task_of


@dataclasses.dataclass(frozen=True)
class DependentBandit(Bandit):
    """Two arms that pay 1 with probabilities p and 1 - p, p uniform on (0, 1): a pull of either is informative about both.

    Args:
      num_pulls: pulls in a lifetime, at least 1; one pull is one environment step and one episode.

    References:
      Wang et al. 2016, arXiv 1611.05763, dependent arms, "uniform".
    """

    num_pulls: int = 100

    name: ClassVar[str] = "dependent-bandit"

    def _make(self) -> BanditEnvironment:
        return BernoulliBanditEnvironment(2)

    def sample(self, key: jax.Array) -> EnvParams:
        return task_of(_pair(self.uniform(key)))

    def mean_rewards(self, task: EnvParams) -> jax.Array:
        return task.probabilities

    def describe(self, task: EnvParams) -> jax.Array:
        """Returns p, scaled to [-1, 1]."""
        return 2.0 * task.probabilities[:1] - 1.0

    def reference_return(self, num_steps: int) -> Reference:
        """Returns the Bayes-optimal sum of rewards."""
        return Reference("Bayes optimum", dependent_bandit_return(num_steps), "lifetime")


@dataclasses.dataclass(frozen=True)
class TwoTaskBandit(Bandit):
    """Two arms that pay 1 with probabilities p and 1 - p, where p is ``low``; the task is which arm is the better one.

    There are two tasks, equally likely, so none can be held out: evaluate on the training split. The paper's levels are
    ``low=0.1`` (easy), 0.25 (medium) and 0.4 (hard).

    Args:
      low: probability that the worse arm pays, at least 0 and less than 1/2.
      num_pulls: pulls in a lifetime, at least 1; one pull is one environment step and one episode.

    References:
      Wang et al. 2016, arXiv 1611.05763, dependent arms, "easy", "medium" and "hard".
    """

    low: float = 0.1
    num_pulls: int = 100

    name: ClassVar[str] = "two-task-bandit"

    def __post_init__(self) -> None:
        if not 0.0 <= self.low < 0.5:
            raise ValueError(f"low={self.low}: the worse arm pays with a probability of at least 0 and less than 0.5")
        super().__post_init__()

    def _make(self) -> BanditEnvironment:
        return BernoulliBanditEnvironment(2)

    @property
    def has_held_out(self) -> bool:
        return False

    @property
    def _why_none_is_held_out(self) -> str:
        return "has two tasks and none to hold out: evaluate on the training split, with another seed"

    def sample(self, key: jax.Array) -> EnvParams:
        return task_of(_pair(jnp.where(jax.random.bernoulli(key), self.low, 1.0 - self.low).astype(jnp.float32)))

    def mean_rewards(self, task: EnvParams) -> jax.Array:
        return task.probabilities

    def describe(self, task: EnvParams) -> jax.Array:
        """Returns 1 if the first arm is the better one, else -1."""
        return jnp.sign(task.probabilities[:1] - task.probabilities[1:])

    def reference_return(self, num_steps: int) -> Reference:
        """Returns the Bayes-optimal sum of rewards."""
        return Reference("Bayes optimum", two_task_bandit_return(self.low, num_steps), "lifetime")


def _pair(probability: jax.Array) -> jax.Array:
    return jnp.stack([probability, 1.0 - probability])
