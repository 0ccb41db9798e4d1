"""Placement of a state: programs are compiled for its shapes, and it is made shard by shard on its devices.

So memory can be checked before any of it is taken, and no device ever holds what belongs to another.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from jmeta.types import PyTree

Made = TypeVar("Made")


def shapes_on(layout: PyTree, tree: PyTree) -> PyTree:
    """Shapes of a tree of arrays, or of shapes, with where they are to lie: shardings ``layout`` are a prefix of it."""

    def on(sharding: jax.sharding.Sharding, part: PyTree) -> PyTree:
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), part)

    return jax.tree.map(on, layout, tree)


def made_on(layout: PyTree, make: Callable[..., Made], *args: Any) -> Made:
    """``make(*args)`` with each array made where it is to lie. No two share a buffer, so the whole can be donated."""
    return jax.jit(lambda *args: jax.tree.map(jnp.copy, make(*args)), out_shardings=layout)(*args)


def moved_to(layout: PyTree, tree: Made) -> Made:
    """A copy of a tree that exists, such as one read from a file, where it is to lie. It shares no buffer with the original.

    It goes leaf by leaf, so no more than one is there twice. ``device_put`` alone would hold on to a NumPy array's own memory.
    """

    def move(sharding: jax.sharding.Sharding, part: PyTree) -> PyTree:
        return jax.tree.map(lambda x: jnp.copy(jax.device_put(x, sharding)), part)

    return jax.tree.map(move, layout, tree)
