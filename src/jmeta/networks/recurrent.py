"""Gated recurrent cores."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from jmeta.networks.core import Core
from jmeta.networks.initializers import orthogonal
from jmeta.networks.linear import Linear

NARROW, STEPS_PER_PASS = 100, 10
"""A GRU of at most ``NARROW`` units takes ``STEPS_PER_PASS`` steps in a pass of XLA's loop. On a CPU, this is 1.4 times as fast
as single steps; at 128 units it is a quarter slower. For an LSTM it is up to six times slower: XLA recomputes earlier cells."""
LONG = 64
"""Least sequence length for which a GRU's derivative computes the gradient of the weights once, after the last step."""


class GRUWeights(NamedTuple):
    """Weights of a GRU, with the gates concatenated: reset, update, candidate."""

    inputs: jax.Array  # [num_inputs, 3 * size]
    input_bias: jax.Array  # [3 * size]
    recurrent: jax.Array  # [size, 3 * size]
    recurrent_bias: jax.Array  # [size] of the candidate


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
        memory, _ = _gru_step(self.weights, self.dtype, memory, x)
        return memory, memory

    def unroll(self, memory: jax.Array, xs: jax.Array, resets: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        if len(xs) < LONG:
            return super().unroll(memory, xs, resets)
        return _gru_sequence(self.dtype, self.weights, memory, xs, jnp.zeros(len(xs), bool) if resets is None else resets)

    @property
    def weights(self) -> GRUWeights:
        """All weights of the GRU."""
        bias = self.inputs.bias[...].astype(jnp.float32)
        return GRUWeights(self.inputs.kernel[...], bias, self.recurrent_kernel[...], self.recurrent_bias[...])


class GRUStep(NamedTuple):
    """Values of a step that its derivative needs, each [size]."""

    before: jax.Array  # the hidden state before the step
    reset: jax.Array
    update: jax.Array
    candidate: jax.Array
    recurrent: jax.Array  # recurrent term of the candidate, before the reset gate


def _gru_step(weights: GRUWeights, dtype: DTypeLike, memory: jax.Array, x: jax.Array) -> tuple[jax.Array, GRUStep]:
    size = memory.shape[0]
    projected = _product(x, weights.inputs, dtype) + weights.input_bias
    recurrent = _product(memory, weights.recurrent, dtype)
    reset, update = jnp.split(jax.nn.sigmoid(projected[: 2 * size] + recurrent[: 2 * size]), 2)
    let_through = recurrent[2 * size :] + weights.recurrent_bias
    candidate = jnp.tanh(projected[2 * size :] + reset * let_through)
    return candidate + update * (memory - candidate), GRUStep(memory, reset, update, candidate, let_through)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _gru_sequence(
    dtype: DTypeLike, weights: GRUWeights, memory: jax.Array, xs: jax.Array, resets: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """``Core.unroll`` of a GRU with a custom derivative.

    The derivative stores five vectors of each step and computes the gradient of the weights in one product after the last step,
    while JAX's derivative adds to two matrices at every step. On a CPU it is 1.3 times as fast at 8 lifetimes and 128 units, 1.7
    times at 16 lifetimes and 64 units, as fast at 64 and 64, and a twentieth slower at 64 and 128: use fewer lifetimes at once.
    """
    return _gru_forward(dtype, weights, memory, xs, resets)[0]


def _gru_forward(dtype: DTypeLike, weights: GRUWeights, memory: jax.Array, xs: jax.Array, resets: jax.Array) -> Any:
    def step(memory: jax.Array, inputs: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, tuple[jax.Array, GRUStep]]:
        x, reset = inputs
        memory, computed = _gru_step(weights, dtype, jnp.where(reset, 0.0, memory), x)
        return memory, (memory, computed)

    memory, (outputs, computed) = jax.lax.scan(step, memory, (xs, resets))
    return (memory, outputs), (weights, xs, resets, computed)


def _gru_backward(dtype: DTypeLike, kept: Any, cotangents: tuple[jax.Array, jax.Array]) -> Any:
    weights, xs, resets, computed = kept
    size = computed.before.shape[1]
    recurrent, inputs = jax.lax.optimization_barrier((weights.recurrent.T, weights.inputs.T))  # else transposed at every step

    def step(by_memory: jax.Array, record: tuple[jax.Array, jax.Array, GRUStep]) -> tuple[jax.Array, Any]:
        by_output, reset, s = record
        by_memory = by_memory + by_output
        by_candidate = by_memory * (1 - s.update) * (1 - s.candidate**2)
        by_update = by_memory * (s.before - s.candidate) * s.update * (1 - s.update)
        by_reset = by_candidate * s.recurrent * s.reset * (1 - s.reset)
        by_recurrent = jnp.concatenate([by_reset, by_update, by_candidate * s.reset])
        by_projected = jnp.concatenate([by_reset, by_update, by_candidate])
        by_before = _product(by_recurrent, recurrent, dtype) + by_memory * s.update
        by_x = _product(by_projected, inputs, dtype)
        return jnp.where(reset, 0.0, by_before), (by_x.astype(xs.dtype), by_projected, by_recurrent)

    by_last, by_outputs = cotangents
    by_memory, (by_xs, by_projected, by_recurrent) = jax.lax.scan(step, by_last, (by_outputs, resets, computed), reverse=True)
    by_weights = GRUWeights(
        inputs=_product(xs.T, by_projected, dtype),
        input_bias=by_projected.sum(0),
        recurrent=_product(computed.before.T, by_recurrent, dtype),
        recurrent_bias=by_recurrent[:, 2 * size :].sum(0),
    )
    return by_weights, by_memory, by_xs, None


_gru_sequence.defvjp(_gru_forward, _gru_backward)


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
        projected = self.inputs(x).astype(jnp.float32) + _product(hidden, self.recurrent_kernel[...], self.dtype)
        take, keep, show = jnp.split(jax.nn.sigmoid(projected[: 3 * size]), 3)
        cell = keep * cell + take * jnp.tanh(projected[3 * size :])
        return cell, show * jnp.tanh(cell), show


def _orthogonal_gates(size: int, number: int, rngs: nnx.Rngs) -> jax.Array:
    return jnp.concatenate([orthogonal()(rngs.params(), (size, size), jnp.float32) for _ in range(number)], axis=1)


def _product(left: jax.Array, right: jax.Array, dtype: DTypeLike) -> jax.Array:
    return (left.astype(dtype) @ right.astype(dtype)).astype(jnp.float32)
