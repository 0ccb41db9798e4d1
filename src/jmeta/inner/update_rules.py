"""Update rules: maps from the gradient of an inner loss to new weights, which may have meta-parameters.

``GradientDescent`` has no meta-parameters. ``RatePerParameter`` (Meta-SGD) and ``RatePerStep`` (MAML++) learn learning rates. A
learned optimiser is in ``jmeta.inner.meta_lstm``.
"""

import abc
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

from jmeta import struct
from jmeta.ranges import NonNegative, Positive
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


class MadeTransform(optax.GradientTransformation):
    """A transformation that stores its constructor and so can be pickled, unlike optax's closures; a copy is the same object."""

    make: Callable[[], optax.GradientTransformation]

    def __reduce__(self) -> tuple[Any, ...]:
        return transform, (self.make,)

    def __copy__(self) -> "MadeTransform":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "MadeTransform":
        return self


def transform(make: Callable[[], optax.GradientTransformation]) -> MadeTransform:
    """Calls an optax constructor such that the transformation can be pickled: ``transform(partial(optax.trace, 0.9))``."""
    made = MadeTransform(*make())
    made.make = make
    return made


TRANSFORMS = {
    "sgd": transform(optax.identity),
    "momentum": transform(partial(optax.trace, 0.9)),
    "adam": transform(partial(optax.scale_by_adam, eps_root=1e-8)),
}


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
        rate = self.rates[_at_most(num_updates, self.rates)]
        return jax.tree.map(lambda w, d: w - rate * d, weights, direction), state


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
        move = lambda w, rates, g: w - rates[_at_most(num_updates, rates)] * g  # noqa: E731
        return jax.tree.map(move, weights, rule, gradient), state


def rates_of(settings: InnerRateSettings) -> jax.Array:
    """Returns the learning rates of the inner steps.

    Raises:
      ValueError: if there is none.
    """
    if not settings.inner_rates:
        raise ValueError("inner_rates is empty: give the rate of the first inner step, for example (0.5,)")
    return jnp.asarray(settings.inner_rates, jnp.float32)


def _at_most(num_updates: jax.Array, rates: jax.Array) -> jax.Array:
    return jnp.minimum(num_updates, rates.shape[0] - 1)
