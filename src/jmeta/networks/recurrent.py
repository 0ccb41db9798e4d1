"""Gated recurrent cores."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from jmeta.networks.core import Core
from jmeta.networks.gru_sequence import GRUWeights, gru_sequence, gru_step, product
from jmeta.networks.initializers import orthogonal
from jmeta.networks.linear import Linear

LSTMMemory = tuple[jax.Array, jax.Array]
NARROW, STEPS_PER_PASS = 100, 10
"""A GRU of at most ``NARROW`` units takes ``STEPS_PER_PASS`` steps in a pass of XLA's loop. On a CPU, this is 1.4 times as fast
as single steps; at 128 units it is a quarter slower. For an LSTM it is up to six times slower: XLA recomputes earlier cells."""
LONG = 64
"""Least sequence length for which a GRU's derivative computes the gradient of the weights once, after the last step."""


class GRU(Core):
    """Gated recurrent unit; memory is the hidden state [size].

    r, z = sigmoid(W x + U h + b),  n = tanh(W_n x + b_n + r * (U_n h + c_n)),  h' = (1 - z) * n + z * h

    Initial recurrent weights are orthogonal, gate by gate.

    Inputs are projected step by step. For inputs as narrow as an agent's, this is three times faster than projecting a whole
    sequence at once, which would write and read [T, 3 * size].

    Args:
      num_inputs: length of x.
      size: size of the hidden state.
      dtype: dtype of matrix products; parameters, gates and hidden state are always float32, so that memory keeps its precision.

    References:
      Cho et al. 2014, arXiv 1406.1078; the form with the reset gate after the product, as cuDNN has it.
    """

    def __init__(self, num_inputs: int, size: int, *, dtype: DTypeLike = jnp.float32, rngs: nnx.Rngs):
        self.output_size = size
        self.steps_per_pass = STEPS_PER_PASS if size <= NARROW else 1
        self.dtype = dtype
        self.inputs = Linear(num_inputs, 3 * size, dtype=dtype, rngs=rngs)
        self.recurrent_kernel = nnx.Param(_orthogonal_gates(size, 3, rngs))
        self.recurrent_bias = nnx.Param(jnp.zeros(size, jnp.float32))

    def initial_memory(self) -> jax.Array:
        return jnp.zeros(self.output_size, jnp.float32)

    def __call__(self, memory: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        memory, _ = gru_step(self.weights, self.dtype, memory, x)
        return memory, memory

    def unroll(self, memory: jax.Array, xs: jax.Array, resets: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        if len(xs) < LONG:
            return super().unroll(memory, xs, resets)
        return gru_sequence(self.dtype, self.weights, memory, xs, jnp.zeros(len(xs), bool) if resets is None else resets)

    @property
    def weights(self) -> GRUWeights:
        """All weights of the GRU."""
        bias = self.inputs.bias[...].astype(jnp.float32)
        return GRUWeights(self.inputs.kernel[...], bias, self.recurrent_kernel[...], self.recurrent_bias[...])


class LSTM(Core):
    """Long short-term memory; memory is the cell and the hidden state, each [size].

    i, f, o = sigmoid(W x + U h + b),  g = tanh(W_g x + U_g h + b_g),  c' = f * c + i * g,  h' = o * tanh(c')

    Initial recurrent weights are orthogonal, gate by gate; the initial bias of forget gates is 1.

    Args:
      num_inputs: length of x.
      size: size of the hidden state.
      dtype: dtype of matrix products; parameters, gates and memory are always float32.

    References:
      Hochreiter and Schmidhuber 1997; Gers et al. 2000; the forget gate's bias: Jozefowicz et al. 2015.
    """

    def __init__(self, num_inputs: int, size: int, *, dtype: DTypeLike = jnp.float32, rngs: nnx.Rngs):
        self.output_size = size
        self.dtype = dtype
        self.inputs = Linear(num_inputs, 4 * size, dtype=dtype, rngs=rngs)
        self.inputs.bias[...] = jnp.zeros(4 * size, jnp.float32).at[size : 2 * size].set(1.0)
        self.recurrent_kernel = nnx.Param(_orthogonal_gates(size, 4, rngs))

    def initial_memory(self) -> tuple[jax.Array, jax.Array]:
        return jnp.zeros(self.output_size, jnp.float32), jnp.zeros(self.output_size, jnp.float32)

    def __call__(self, memory: tuple[jax.Array, jax.Array], x: jax.Array) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        cell, output, _ = self.step(memory, x)
        return (cell, output), output

    def step(self, memory: tuple[jax.Array, jax.Array], x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Returns the new cell, the new hidden state, and the output gate, each [size]."""
        size = self.output_size
        cell, hidden = memory
        projected = self.inputs(x).astype(jnp.float32) + product(hidden, self.recurrent_kernel[...], self.dtype)
        take, keep, show = jnp.split(jax.nn.sigmoid(projected[: 3 * size]), 3)
        cell = keep * cell + take * jnp.tanh(projected[3 * size :])
        return cell, show * jnp.tanh(cell), show


def _orthogonal_gates(size: int, number: int, rngs: nnx.Rngs) -> jax.Array:
    return jnp.concatenate([orthogonal()(rngs.params(), (size, size), jnp.float32) for _ in range(number)], axis=1)
