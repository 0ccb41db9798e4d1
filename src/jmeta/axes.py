"""Splits and merges an axis of arrays in a tree, such as the tasks of a batch or the steps of a lifetime."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax


def split_axis(tree: Any, axis: int, number: int) -> Any:
    """Splits leaves [..., n, ...] into chunks [number, ..., n / number, ...]; ``number`` must divide n."""

    def split(x: jax.Array) -> jax.Array:
        length = x.shape[axis]
        if length % number:
            raise ValueError(f"{number} chunks do not divide {length} streams or tasks: use a divisor of their number, such as 1")
        return jnp.moveaxis(x.reshape(*x.shape[:axis], number, length // number, *x.shape[axis + 1 :]), axis, 0)

    return jax.tree.map(split, tree)


def deal_axis(tree: Any, axis: int, number: int) -> Any:
    """Deals leaves [..., n, ...] into [number, ..., n / number, ...]: entry i to group i modulo ``number``, a divisor of n.

    If the axis is sharded, each group takes an equal part from every device, and no data moves between devices.
    """

    def deal(x: jax.Array) -> jax.Array:
        grouped = x.reshape(*x.shape[:axis], x.shape[axis] // number, number, *x.shape[axis + 1 :])
        return jnp.moveaxis(grouped, axis + 1, 0)

    return jax.tree.map(deal, tree)


def merge_axis(tree: Any, axis: int) -> Any:
    """Undoes ``split_axis``."""

    def merge(x: jax.Array) -> jax.Array:
        apart = jnp.moveaxis(x, 0, axis)
        return apart.reshape(*x.shape[1 : axis + 1], x.shape[0] * x.shape[axis + 1], *x.shape[axis + 2 :])

    return jax.tree.map(merge, tree)


def mean_over_chunks(function: Callable[[Any], Any], chunks: Any) -> Any:
    """Returns the mean of ``function`` over chunks, leaves [number, ...], evaluated one at a time."""
    number = len(jax.tree.leaves(chunks)[0])
    function = jax.jit(function)  # traced once, for its shapes and for the loop
    zero = jax.tree.map(jnp.zeros_like, jax.eval_shape(function, jax.tree.map(lambda x: x[0], chunks)))
    add = lambda total, chunk: (optax.tree.add(total, function(chunk)), None)  # noqa: E731
    total, _ = jax.lax.scan(add, zero, chunks)
    return optax.tree.scale(1.0 / number, total)
