"""Placement of a state: programs are compiled for its shapes, and each shard is created on its own device.

So memory can be checked before it is allocated, and no device ever holds the shards of another.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding

from jmeta.types import PyTree

Made = TypeVar("Made")


def shardings(mesh: Mesh, specs: PyTree) -> PyTree:
    """Returns the shardings on a mesh of a tree of partition specs."""
    return jax.tree.map(partial(NamedSharding, mesh), specs)


def shapes_on(layout: PyTree, tree: PyTree) -> PyTree:
    """Returns the shapes of a tree of arrays or shapes with the shardings ``layout``, which are a prefix of the tree."""

    def on(sharding: jax.sharding.Sharding, part: PyTree) -> PyTree:
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), part)

    return jax.tree.map(on, layout, tree)


def made_on(layout: PyTree, make: Callable[..., Made], *args: Any) -> Made:
    """Returns ``make(*args)`` with each array created in its sharding. No two share a buffer, so the result can be donated."""
    return jax.jit(lambda *args: jax.tree.map(jnp.copy, make(*args)), out_shardings=layout)(*args)


def moved_to(layout: PyTree, tree: Made) -> Made:
    """Returns a copy of a tree, such as one read from a file, in the given shardings. It shares no buffer with the original.

    Leaves are copied one by one, so at most one exists twice. ``device_put`` alone would keep using a NumPy array's memory.
    """

    def move(sharding: jax.sharding.Sharding, part: PyTree) -> PyTree:
        return jax.tree.map(lambda x: jnp.copy(jax.device_put(x, sharding)), part)

    return jax.tree.map(move, layout, tree)
