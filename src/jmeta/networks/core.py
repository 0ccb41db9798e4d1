"""Base class of recurrent cores, which offer one step and an unroll along a sequence."""

import abc
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from jmeta.types import PyTree


class Core(nnx.Module):
    """A sequence model that can process one step at a time.

    A subclass sets ``output_size`` and defines ``initial_memory`` and ``__call__``. It overrides ``unroll`` if a sequence can be
    computed faster than step by step. Both must agree, also with resets. Memory is any tree of arrays of fixed shapes.

    Attributes:
      output_size: length of the output of a step.
      steps_per_pass: ``unroll`` of ``jax.lax.scan`` over a sequence; more than 1 is faster for small steps.
    """

    output_size: int
    steps_per_pass: int = 1

    @abc.abstractmethod
    def initial_memory(self) -> PyTree:
        """Returns the memory before the first step."""

    @abc.abstractmethod
    def __call__(self, memory: PyTree, x: jax.Array) -> tuple[PyTree, jax.Array]:
        """Takes one step: memory and input [num_inputs] to (memory, output [output_size])."""

    def unroll(self, memory: PyTree, xs: jax.Array, resets: jax.Array | None = None) -> tuple[PyTree, jax.Array]:
        """Processes a sequence.

        Args:
          memory: memory before the first step.
          xs: inputs [T, num_inputs].
          resets: [T] bool, steps before which the memory is reset; None for no resets.

        Returns:
          The memory after the last step, and outputs [T, output_size].
        """
        if resets is None:
            return jax.lax.scan(self, memory, xs, unroll=self.steps_per_pass)
        step = lambda memory, inputs: self(self.forget(memory, inputs[1]), inputs[0])  # noqa: E731
        return jax.lax.scan(step, memory, (xs, resets), unroll=self.steps_per_pass)

    def forget(self, memory: PyTree, reset: jax.Array) -> PyTree:
        """Returns the initial memory if ``reset`` [] bool, else ``memory``."""
        return jax.tree.map(lambda fresh, old: jnp.where(reset, fresh, old), self.initial_memory(), memory)


def positions(count: jax.Array, length: int, resets: jax.Array | None) -> tuple[jax.Array, jax.Array]:
    """Returns the positions of a sequence's steps in their spans; a reset begins a new span.

    Args:
      count: [] int32, steps since the last reset when the sequence begins.
      length: T.
      resets: [T] bool, or None for none.

    Returns:
      [T] steps since the last reset, and [T] number of resets so far.
    """
    step = jnp.arange(length, dtype=jnp.int32)
    if resets is None:
        return count + step, jnp.zeros(length, jnp.int32)
    began = jax.lax.cummax(jnp.where(resets, step, -1))
    return jnp.where(began < 0, count + step, step - began), jnp.cumsum(resets.astype(jnp.int32), dtype=jnp.int32)


def newest(slots: jax.Array, new: jax.Array, num_steps: jax.Array, unbroken: jax.Array) -> jax.Array:
    """Returns a ring buffer of W slots after a sequence, with step s in slot s modulo W; empty slots are zero.

    Args:
      slots: [W, ...] slots before the sequence.
      new: [T, ...] values of the steps of the sequence.
      num_steps: [] steps since the last reset, at the end of the sequence.
      unbroken: [] bool, whether the sequence has no reset, so that earlier slots are still valid.
    """
    age = (num_steps - 1 - jnp.arange(len(slots))) % len(slots)  # the newest is 0
    source = len(new) - 1 - age

    def where(mask: jax.Array, x: jax.Array, y: jax.Array | float) -> jax.Array:
        return jnp.where(mask.reshape(-1, *[1] * (slots.ndim - 1)), x, y)

    known = where(source >= 0, new[jnp.maximum(source, 0)], jnp.where(unbroken, slots, 0.0))
    return where(age < num_steps, known, 0.0)


def in_chunks(
    unroll: Callable[[PyTree, PyTree], tuple[PyTree, PyTree]], memory: PyTree, sequence: PyTree, *, length: int, truncate: bool
) -> tuple[PyTree, PyTree]:
    """Unrolls a sequence in chunks, so that its derivative stores the activations of one chunk at a time.

    Each chunk is recomputed when it is differentiated. Only the recurrent memory between chunks is stored.

    Args:
      unroll: (memory, part of the sequence) to (outputs, memory).
      memory: memory before the first step.
      sequence: leaves [T, ...].
      length: length of a chunk; must divide T.
      truncate: stop the gradient between chunks: truncated backpropagation through time, cheaper and biased. Otherwise the
        derivative is that of the whole sequence.
    """
    split = jax.tree.map(lambda x: x.reshape(-1, length, *x.shape[1:]), sequence)

    @jax.checkpoint
    def chunk(memory: PyTree, part: PyTree) -> tuple[PyTree, PyTree]:
        outputs, memory = unroll(jax.lax.stop_gradient(memory) if truncate else memory, part)
        return memory, outputs

    memory, outputs = jax.lax.scan(chunk, memory, split)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), outputs), memory
