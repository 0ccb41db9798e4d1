"""Update rules: maps from the gradient of an inner loss to new weights, which may have meta-parameters.

``GradientDescent`` has no meta-parameters. The rules that learn learning rates are in ``jmeta.inner.learned_rates``, and a
learned optimiser is in ``jmeta.inner.meta_lstm``.
"""

from typing import Literal

import jax
import jax.numpy as jnp
import optax

from jmeta import struct
from jmeta.inner.learned_rates import RatePerParameter, RatePerStep, at_most
from jmeta.inner.transforms import TRANSFORMS, transform
from jmeta.inner.update_rule import UpdateRule
from jmeta.ranges import NonNegative
from jmeta.types import PyTree

__all__ = ["DescentSettings", "GradientDescent", "InnerRateSettings", "RatePerParameter", "RatePerStep", "UpdateRule", "rates_of"]


@struct.settings
class InnerRateSettings:
    """Learning rates of the inner steps.

    Attributes:
      inner_rates: learning rate of the first, second, ... inner step; the last one is used for all later steps.
    """

    inner_rates: tuple[NonNegative, ...] = (0.5, 0.25)


@struct.settings
class DescentSettings(InnerRateSettings):
    """Inner steps by an optimiser without parameters to learn.

    Attributes:
      inner_optimizer: optimiser of the inner steps: gradient descent (``sgd``), ``momentum`` of 0.9, or ``adam``.
    """

    inner_optimizer: Literal["sgd", "momentum", "adam"] = "sgd"


@struct.dataclass
class GradientDescent(UpdateRule):
    """Gradient descent: weights - rate_k * transform(gradient), for the k-th inner step.

    Attributes:
      rates: [R] learning rates of the first, second, ... inner step; the last one is used for all later steps.
      transform: an optax transformation: ``optax.identity()`` for gradient descent, ``optax.trace(0.9)`` for momentum,
        ``optax.scale_by_adam(eps_root=1e-8)`` for Adam, whose ``eps_root`` must be positive: the derivative of a square root at
        zero is not finite.
    """

    rates: jax.Array
    transform: optax.GradientTransformation = struct.field(pytree_node=False, default=transform(optax.identity))

    @classmethod
    def create(cls, settings: DescentSettings) -> "GradientDescent":
        """Builds the rule with these rates and this optimiser."""
        return cls(rates_of(settings), TRANSFORMS[settings.inner_optimizer])

    def init(self, weights: PyTree, key: jax.Array) -> PyTree:
        return ()

    def begin(self, rule: PyTree, weights: PyTree) -> PyTree:
        return self.transform.init(weights)

    def update(
        self, rule: PyTree, state: PyTree, weights: PyTree, gradient: PyTree, loss: jax.Array, num_updates: jax.Array
    ) -> tuple[PyTree, PyTree]:
        direction, state = self.transform.update(gradient, state, weights)
        rate = self.rates[at_most(num_updates, self.rates)]
        return jax.tree.map(lambda w, d: w - rate * d, weights, direction), state


def rates_of(settings: InnerRateSettings) -> jax.Array:
    """Returns the learning rates of the inner steps.

    Raises:
      ValueError: if there is none.
    """
    if not settings.inner_rates:
        raise ValueError("inner_rates is empty: give the rate of the first inner step, for example (0.5,)")
    return jnp.asarray(settings.inner_rates, jnp.float32)
