"""Bernoulli bandits: find the arm with the highest probability of reward (Duan et al. 2016, arXiv 1611.02779)."""

import dataclasses
from typing import ClassVar

import jax

from jmeta.references.bernoulli_bandit import bayes_optimal_return
from jmeta.tasks.bandit import Bandit, BanditEnvironment, EnvState, check_num_arms
from jmeta.tasks.base import Reference
from jmeta.tasks.bernoulli_environment import BernoulliBanditEnvironment, EnvParams, task_of
from jmeta.tasks.dependent_bandit import DependentBandit, TwoTaskBandit

__all__ = ["BernoulliBandit", "BernoulliBanditEnvironment", "DependentBandit", "EnvParams", "EnvState", "TwoTaskBandit"]


@dataclasses.dataclass(frozen=True)
class BernoulliBandit(Bandit):
    """Arms that pay 1 with unknown probabilities, each uniform on (0, 1) and fixed for the lifetime.

    A lifetime is ``num_pulls`` pulls and its score is the sum of their rewards. Training covers every probability, so there is
    no out-of-distribution split.

    Args:
      num_arms: number of arms, at least 2.
      num_pulls: pulls in a lifetime, at least 1; one pull is one environment step and one episode.

    References:
      Duan et al. 2016, arXiv 1611.02779, on multi-armed bandits.
    """

    num_arms: int = 5
    num_pulls: int = 10

    name: ClassVar[str] = "bernoulli-bandit"

    def __post_init__(self) -> None:
        check_num_arms(self.num_arms)
        super().__post_init__()

    def _make(self) -> BanditEnvironment:
        return BernoulliBanditEnvironment(self.num_arms)

    def sample(self, key: jax.Array) -> EnvParams:
        return task_of(self.uniform(key, (self.num_arms,)))

    def mean_rewards(self, task: EnvParams) -> jax.Array:
        return task.probabilities

    def reference_return(self, num_steps: int) -> Reference | None:
        """Returns the Bayes-optimal sum of rewards, or None where the exact computation would take too long."""
        value = bayes_optimal_return(self.num_arms, num_steps)
        return None if value is None else Reference("Bayes optimum", value, "lifetime")
