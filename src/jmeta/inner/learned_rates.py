"""Update rules with learned learning rates: ``RatePerParameter`` (Meta-SGD) and ``RatePerStep`` (MAML++)."""

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.inner.update_rule import UpdateRule
from jmeta.ranges import Positive
from jmeta.types import PyTree


@struct.dataclass
class RatePerParameter(UpdateRule):
    """Meta-SGD: weights - rate * gradient, with a learned rate for each weight. A rate may become negative.

    Attributes:
      initial_rate: initial learning rate of every weight.

    References:
      Li et al. 2017, arXiv 1707.09835.
    """

    initial_rate: jax.Array | Positive = 0.5

    def init(self, weights: PyTree, key: jax.Array) -> PyTree:
        return jax.tree.map(lambda w: jnp.full_like(w, self.initial_rate), weights)

    def begin(self, rule: PyTree, weights: PyTree) -> PyTree:
        return ()

    def update(
        self, rule: PyTree, state: PyTree, weights: PyTree, gradient: PyTree, loss: jax.Array, num_updates: jax.Array
    ) -> tuple[PyTree, PyTree]:
        return jax.tree.map(lambda w, rate, g: w - rate * g, weights, rule, gradient), state


@struct.dataclass
class RatePerStep(UpdateRule):
    """The rule of MAML++: weights - rate_k * gradient, with a learned rate for each array of weights and each inner step.

    Attributes:
      initial_rates: [R] initial learning rates of the first, second, ... inner step; the last is used for all later steps.

    References:
      Antoniou et al. 2019, arXiv 1810.09502.
    """

    initial_rates: jax.Array

    def init(self, weights: PyTree, key: jax.Array) -> PyTree:
        return jax.tree.map(lambda w: jnp.asarray(self.initial_rates, w.dtype), weights)

    def begin(self, rule: PyTree, weights: PyTree) -> PyTree:
        return ()

    def update(
        self, rule: PyTree, state: PyTree, weights: PyTree, gradient: PyTree, loss: jax.Array, num_updates: jax.Array
    ) -> tuple[PyTree, PyTree]:
        move = lambda w, rates, g: w - rates[at_most(num_updates, rates)] * g  # noqa: E731
        return jax.tree.map(move, weights, rule, gradient), state


def at_most(num_updates: jax.Array, rates: jax.Array) -> jax.Array:
    """Returns the index of the rate after ``num_updates`` inner steps; the last rate is used for all later steps."""
    return jnp.minimum(num_updates, rates.shape[0] - 1)
