"""The contract of update rules: maps from the gradient of an inner loss to new weights, which may have meta-parameters."""

import abc

import jax

from jmeta.types import PyTree


class UpdateRule(abc.ABC):
    """An update rule, as three pure functions. A subclass is a frozen ``jmeta.struct.dataclass``.

    ``rule`` holds the meta-parameters, which outer learners train; () if there are none. ``state`` is kept for one lifetime.
    """

    @abc.abstractmethod
    def init(self, weights: PyTree, key: jax.Array) -> PyTree:
        """Returns initial meta-parameters of the rule, for weights of this structure."""

    @abc.abstractmethod
    def begin(self, rule: PyTree, weights: PyTree) -> PyTree:
        """Returns the state of the rule at the beginning of a lifetime."""

    @abc.abstractmethod
    def update(
        self, rule: PyTree, state: PyTree, weights: PyTree, gradient: PyTree, loss: jax.Array, num_updates: jax.Array
    ) -> tuple[PyTree, PyTree]:
        """Takes one inner step.

        Args:
          rule: the meta-parameters.
          state: state of the rule after the previous inner step.
          weights: weights to update.
          gradient: gradient of the inner loss, with the structure of ``weights``.
          loss: [] minus the mean reward of a step; an input of learned rules.
          num_updates: [] int32, number of inner steps taken before.

        Returns:
          The new weights and state.
        """
