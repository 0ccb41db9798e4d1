"""Meta-LSTM: a recurrent network maps gradients to updates (Ravi and Larochelle 2017; Andrychowicz et al. 2016)."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.flatten_util import ravel_pytree

from jmeta import struct
from jmeta.inner.update_rules import UpdateRule
from jmeta.networks import Linear, Network, from_nnx
from jmeta.ranges import Count, OpenShare, checked
from jmeta.types import PyTree


class Gates(NamedTuple):
    """State of the learned optimiser for each of P weights, and the gates of its last update."""

    hidden: jax.Array  # [P, H]
    cell: jax.Array  # [P, H]
    keep: jax.Array  # [P] factor of the old weight
    rate: jax.Array  # [P] learning rate


class CoordinateLSTM(nnx.Module):
    """An LSTM of gradient and loss with two gates on its output; all weights share its parameters."""

    def __init__(self, hidden_size: int, initial_rate: float, initial_keep: float, *, rngs: nnx.Rngs):
        init = nnx.initializers.normal(0.01)
        self.lstm = Linear(4 + hidden_size, 4 * hidden_size, rngs=rngs)
        self.keep = Linear(hidden_size + 2, 1, kernel_init=init, bias_init=_logit(initial_keep), rngs=rngs)
        self.rate = Linear(hidden_size + 2, 1, kernel_init=init, bias_init=_logit(initial_rate), rngs=rngs)

    def __call__(self, gates: Gates, weights: jax.Array, gradient: jax.Array, loss: jax.Array) -> Gates:
        inputs = jnp.concatenate([_scaled(gradient), jnp.broadcast_to(_scaled(loss), (len(gradient), 2)), gates.hidden], axis=-1)
        enter, forget, leave, new = jnp.split(self.lstm(inputs), 4, axis=-1)
        cell = jax.nn.sigmoid(forget + 1.0) * gates.cell + jax.nn.sigmoid(enter) * jnp.tanh(new)
        hidden = jax.nn.sigmoid(leave) * jnp.tanh(cell)
        seen = lambda gate: jnp.concatenate([hidden, weights[:, None], gate[:, None]], axis=-1)  # noqa: E731
        keep = jax.nn.sigmoid(self.keep(seen(gates.keep)))[:, 0]
        rate = jax.nn.sigmoid(self.rate(seen(gates.rate)))[:, 0]
        return Gates(hidden, cell, keep, rate)


@struct.dataclass
class LSTMRule(UpdateRule):
    """An update rule weights <- keep * weights - rate * gradient, where a learned LSTM computes keep and rate at each inner step.

    The weights play the part of an LSTM's cell, the negative gradient that of its candidate, and the initial weights that of a
    learned initial cell. All weights share one small network, whose inputs are the weight, its gradient, the loss, and its own
    hidden state. Gradient and loss are encoded as (log |x| / 10, sign x) where |x| > e^-10, else as (-1, e^10 x).

    Attributes:
      network: ``(gates, weights [P], gradient [P], loss []) -> gates``.
      hidden_size: H, the size of the LSTM's hidden state for each weight.

    References:
      Ravi and Larochelle 2017, "Optimization as a model for few-shot learning", ICLR; preprocessing and sharing over
      coordinates: Andrychowicz et al. 2016, arXiv 1606.04474.

    Deviations from the paper:
      The loss is minus the mean reward of a step, since the value of a surrogate carries no information. The meta-gradient goes
      through the gradient that is subtracted, but not through the gradient as an input of the LSTM. The paper ignores both.
    """

    network: Network = struct.field(pytree_node=False)
    hidden_size: Count = struct.field(pytree_node=False)

    @classmethod
    @checked
    def create(cls, hidden_size: Count = 20, initial_rate: OpenShare = 0.1, initial_keep: OpenShare = 0.999) -> "LSTMRule":
        """Builds a rule that is initially close to gradient descent at ``initial_rate``.

        Raises:
          ValueError: if a gate's initial value is not inside (0, 1), or there are no hidden units.
        """
        network = from_nnx(partial(CoordinateLSTM, hidden_size, initial_rate, initial_keep))
        return cls(network, hidden_size)

    def init(self, weights: PyTree, key: jax.Array) -> PyTree:
        return self.network.init(key)

    def begin(self, rule: PyTree, weights: PyTree) -> PyTree:
        number = sum(leaf.size for leaf in jax.tree.leaves(weights))
        memory, gate = jnp.zeros((number, self.hidden_size), jnp.float32), jnp.zeros(number, jnp.float32)
        return Gates(memory, memory, gate, gate)

    def update(
        self, rule: PyTree, state: PyTree, weights: PyTree, gradient: PyTree, loss: jax.Array, num_updates: jax.Array
    ) -> tuple[PyTree, PyTree]:
        old, unravel = ravel_pytree(weights)
        slope, _ = ravel_pytree(gradient)
        gates = self.network.apply(rule, state, old, jax.lax.stop_gradient(slope), loss)
        return unravel(gates.keep * old - gates.rate * slope), gates


def _scaled(x: jax.Array, scale: float = 10.0) -> jax.Array:
    """Returns x [...] encoded as two numbers [..., 2] of order one."""
    size = jnp.abs(x)
    large = size > jnp.exp(-scale)
    log = jnp.log(jnp.where(large, size, 1.0)) / scale
    return jnp.stack([jnp.where(large, log, -1.0), jnp.where(large, jnp.sign(x), jnp.exp(scale) * x)], axis=-1)


def _logit(probability: float) -> nnx.Initializer:
    return nnx.initializers.constant(jnp.log(probability) - jnp.log1p(-probability))
