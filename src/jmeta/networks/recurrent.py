"""Gated recurrent cores."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from jmeta.networks.core import Core
from jmeta.networks.initializers import orthogonal

NARROW, STEPS_PER_PASS = 100, 10
"""Up to that many units each pass of XLA's loop costs what a tenth of the step does, on a CPU, so ten steps in a pass pay; at 128
units they cost a quarter more than ten passes."""


class GRU(Core):
    """Gated recurrent unit; memory is the hidden state [size].

    r, z = sigmoid(W x + U h + b),  n = tanh(W_n x + b_n + r * (U_n h + c_n)),  h' = (1 - z) * n + z * h

    Initial recurrent weights are orthogonal, gate by gate.

    Inputs are projected step by step: for inputs as narrow as an agent's it is three times faster than projecting a sequence's
    at once, which would write and read [T, 3 * size].

    Args:
      num_inputs: length of x.
      size: of the hidden state.
      dtype: of matrix products; parameters, gates and hidden state are float32 in any case, so that memory keeps its precision.

    References:
      Cho et al. 2014, arXiv 1406.1078; the form with the reset gate after the product, as cuDNN has it.
    """

    def __init__(self, num_inputs: int, size: int, *, dtype: DTypeLike = jnp.float32, rngs: nnx.Rngs):
        self.output_size = size
        self.steps_per_pass = STEPS_PER_PASS if size <= NARROW else 1
        self.dtype = dtype
        self.inputs = nnx.Linear(num_inputs, 3 * size, dtype=dtype, rngs=rngs)
        self.recurrent_kernel = nnx.Param(_orthogonal_gates(size, 3, rngs))
        self.recurrent_bias = nnx.Param(jnp.zeros(size, jnp.float32))

    def initial_memory(self) -> jax.Array:
        return jnp.zeros(self.output_size, jnp.float32)

    def __call__(self, memory: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        size = self.output_size
        projected = self.inputs(x).astype(jnp.float32)
        recurrent = _product(memory, self.recurrent_kernel[...], self.dtype)
        gates = jax.nn.sigmoid(projected[: 2 * size] + recurrent[: 2 * size])
        reset, update = jnp.split(gates, 2)
        candidate = jnp.tanh(projected[2 * size :] + reset * (recurrent[2 * size :] + self.recurrent_bias[...]))
        memory = candidate + update * (memory - candidate)
        return memory, memory


class LSTM(Core):
    """Long short-term memory; memory is the cell and the hidden state, each [size].

    i, f, o = sigmoid(W x + U h + b),  g = tanh(W_g x + U_g h + b_g),  c' = f * c + i * g,  h' = o * tanh(c')

    Initial recurrent weights are orthogonal, gate by gate; forget gates begin open, with a bias of 1.

    Args:
      num_inputs: length of x.
      size: of the hidden state.
      dtype: of matrix products; parameters, gates and memory are float32 in any case.

    References:
      Hochreiter and Schmidhuber 1997; Gers et al. 2000; the forget gate's bias: Jozefowicz et al. 2015.
    """

    def __init__(self, num_inputs: int, size: int, *, dtype: DTypeLike = jnp.float32, rngs: nnx.Rngs):
        self.output_size = size
        self.steps_per_pass = STEPS_PER_PASS if size <= NARROW else 1
        self.dtype = dtype
        self.inputs = nnx.Linear(num_inputs, 4 * size, dtype=dtype, rngs=rngs)
        self.inputs.bias[...] = jnp.zeros(4 * size, jnp.float32).at[size : 2 * size].set(1.0)
        self.recurrent_kernel = nnx.Param(_orthogonal_gates(size, 4, rngs))

    def initial_memory(self) -> tuple[jax.Array, jax.Array]:
        return jnp.zeros(self.output_size, jnp.float32), jnp.zeros(self.output_size, jnp.float32)

    def __call__(self, memory: tuple[jax.Array, jax.Array], x: jax.Array) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        cell, output, _ = self.step(memory, x)
        return (cell, output), output

    def step(self, memory: tuple[jax.Array, jax.Array], x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """The new cell, the new hidden state, and the output gate between them, each [size]."""
        size = self.output_size
        cell, hidden = memory
        projected = self.inputs(x).astype(jnp.float32) + _product(hidden, self.recurrent_kernel[...], self.dtype)
        take, keep, show = jnp.split(jax.nn.sigmoid(projected[: 3 * size]), 3)
        cell = keep * cell + take * jnp.tanh(projected[3 * size :])
        return cell, show * jnp.tanh(cell), show


def _orthogonal_gates(size: int, number: int, rngs: nnx.Rngs) -> jax.Array:
    return jnp.concatenate([orthogonal()(rngs.params(), (size, size), jnp.float32) for _ in range(number)], axis=1)


def _product(vector: jax.Array, matrix: jax.Array, dtype: DTypeLike) -> jax.Array:
    return (vector.astype(dtype) @ matrix.astype(dtype)).astype(jnp.float32)
