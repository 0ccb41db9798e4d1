"""Base class of off-policy learners: a policy and action values, learned from single steps of any behaviour policy."""

import abc
from typing import NamedTuple, Self

import jax
import numpy as np

from jmeta import struct
from jmeta.ranges import Positive
from jmeta.settings import DiscountSettings
from jmeta.types import ActionSpace, Continuous, Decision, Metrics, PyTree


def check_reaches(space: Continuous) -> None:
    """Raises ValueError unless the interval [-1, 1] overlaps the action box on every axis."""
    low, high = np.asarray(space.low), np.asarray(space.high)
    if (low >= 1.0).any() or (high <= -1.0).any():
        raise ValueError(
            f"{space}: this policy acts within [-1, 1]; an axis with an infinite bound is not scaled, and on such an axis this "
            "box does not overlap [-1, 1]: give the axis two finite bounds, or shift it in the environment"
        )


class Step(NamedTuple):
    """A step as input of the loss, in the notation of the papers.

    It is no ``Experience``: features stand for the timestep and the next observation. They are an observation, and a context of
    the task if there is one.
    """

    x_tm1: jax.Array  # [num_inputs] features before the action
    a_tm1: jax.Array  # action
    r_t: jax.Array  # [] reward
    terminated_t: jax.Array  # [] bool, a natural end: the value after it is 0
    x_t: jax.Array  # [num_inputs] features after the action, before any reset


@struct.settings
class QLearnerSettings(DiscountSettings):
    """Settings of learning action values.

    Attributes:
      reward_scale: factor on the rewards that values are learned from.
    """

    reward_scale: jax.Array | Positive = 1.0


class QLearner(QLearnerSettings, abc.ABC):
    """A learner of action values and a policy: pure functions of parameters. A subclass is a frozen ``jmeta.struct.dataclass``.

    Attributes:
      num_inputs: length of the features.
      action_space: action space of the policy.
    """

    num_inputs: int
    action_space: ActionSpace

    @abc.abstractmethod
    def init(self, key: jax.Array) -> PyTree:
        """Returns initial parameters, a dictionary of parts."""

    @abc.abstractmethod
    def decide(self, parameters: PyTree, x: jax.Array) -> Decision:
        """Returns the decision at features [num_inputs], of the deployed policy, or of the behaviour policy if this is one."""

    @abc.abstractmethod
    def target_parameters(self, parameters: PyTree) -> PyTree:
        """Returns the parameters of which target networks are moving averages."""

    @abc.abstractmethod
    def loss(self, parameters: PyTree, target_parameters: PyTree, step: Step, key: jax.Array) -> tuple[jax.Array, Metrics]:
        """Returns the loss of one step, [], and metrics. Only the critic's loss has a derivative in the features."""

    def parts(self, parameters: PyTree) -> PyTree:
        """Returns a prefix of ``parameters``, whose leaves name parts; the gradient norm of each part is clipped separately."""
        return {name: name for name in parameters}

    @abc.abstractmethod
    def behaviour_policy(self, remaining: jax.Array | float) -> Self:
        """Returns the behaviour policy; ``remaining`` falls from 1 to 0 over the exploration schedule."""
