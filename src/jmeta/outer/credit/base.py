"""The contract of credit assignment."""

import abc
from typing import ClassVar, NamedTuple

import jax

from jmeta.types import Lifetime, PyTree


class Credit(NamedTuple):
    """Advantage, weight and value target of every decision, [K, T, N, B] each."""

    # Critics: mean 0, variance 1 over all decisions that count. ``EpisodeBaseline``: over each segment of each task.
    # ``Exploration``: scaled by a spread but not centred before the last segment. A variance that is almost 0 stays small,
    # but ``EpisodeBaseline`` scales it to 1 as well.
    advantage: jax.Array
    weight: jax.Array  # 0 where a decision does not count
    value_target: jax.Array  # target of Decision.value, in the critic's units


class CreditAssignment(abc.ABC):
    """Advantages and value targets of an on-policy outer learner.

    Attributes:
      has_critic: whether there is a critic to train.
      across_episodes: whether rewards of later episodes count towards a decision.
    """

    has_critic: ClassVar[bool] = False
    across_episodes: ClassVar[bool] = False

    @abc.abstractmethod
    def init(self) -> PyTree:
        """Returns initial statistics, which are carried from one outer step to the next."""

    @abc.abstractmethod
    def assign(self, statistics: PyTree, lifetimes: Lifetime) -> tuple[Credit, PyTree]:
        """Returns the credit of this device's lifetimes [K, T, N, B], and new statistics, which are equal on all devices."""

    @abc.abstractmethod
    def value_loss(self, value: jax.Array, target: jax.Array) -> jax.Array:
        """Returns the critic's loss for one decision, times its coefficient."""
