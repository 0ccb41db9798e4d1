"""Base of off-policy learners: a policy and its action values, learned from single steps of any policy."""

import abc
from typing import NamedTuple, Self

import jax
import numpy as np

from jmeta.ranges import Positive, Share
from jmeta.types import ActionSpace, Continuous, Decision, Metrics, PyTree


def check_reaches(space: Continuous) -> None:
    """Raises ValueError unless a policy within [-1, 1] has something to choose on every axis."""
    low, high = np.asarray(space.low), np.asarray(space.high)
    if (low >= 1.0).any() or (high <= -1.0).any():
        raise ValueError(
            f"{space}: this policy acts within [-1, 1], which on an axis of which a side is infinite are the environment's own "
            "units, and there the box has nothing to choose from: give it two finite ends, or shift it in the environment"
        )


class Step(NamedTuple):
    """A step as one learns from it. Inputs are features: an observation, and what else is known of the task."""

    x_tm1: jax.Array  # [num_inputs] before
    a_tm1: jax.Array  # the action
    r_t: jax.Array  # []
    terminated_t: jax.Array  # [] bool, a natural end: nothing follows
    x_t: jax.Array  # [num_inputs] after, before any reset


class QLearner(abc.ABC):
    """Pure functions of parameters. A subclass is a frozen ``jmeta.struct.dataclass``.

    Attributes:
      num_inputs: length of the features.
      action_space: what is chosen.
      discount: per environment step, in [0, 1].
      reward_scale: rewards are multiplied by it before anything is learned from them.
    """

    num_inputs: int
    action_space: ActionSpace
    discount: jax.Array | Share
    reward_scale: jax.Array | Positive

    @abc.abstractmethod
    def init(self, key: jax.Array) -> PyTree:
        """Fresh parameters, a dictionary of parts."""

    @abc.abstractmethod
    def decide(self, parameters: PyTree, x: jax.Array) -> Decision:
        """The policy that is shipped, or by which experience is gathered, at features [num_inputs]."""

    @abc.abstractmethod
    def target_parameters(self, parameters: PyTree) -> PyTree:
        """Returns the parameters that have target networks, which are moving averages of them."""

    @abc.abstractmethod
    def loss(self, parameters: PyTree, target_parameters: PyTree, step: Step, key: jax.Array) -> tuple[jax.Array, Metrics]:
        """Returns the loss of one step, [], and its parts. Only the critic's part has a derivative in the features."""

    def parts(self, parameters: PyTree) -> PyTree:
        """A prefix of ``parameters``, whose leaves name the parts that are trained apart: each has a gradient norm of its own."""
        return {name: name for name in parameters}

    @abc.abstractmethod
    def behaviour_policy(self, remaining: jax.Array | float) -> Self:
        """Returns the behaviour policy; ``remaining`` falls from 1 to 0 over the time for exploration."""
