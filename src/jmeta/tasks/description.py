"""The default description of a task: its leaves as one vector, with integers one-hot or scaled to [-1, 1]."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.types import PyTree

WIDEST_ONE_HOT = 64  # longest one-hot encoding of an integer leaf
Bounds: TypeAlias = tuple[int, int]  # lowest and highest value


def integer_ranges(drawn: Sequence[PyTree]) -> list[Bounds | None]:
    """Returns the range of each leaf of a task that is an integer and differs between tasks, else None.

    Args:
      drawn: batches of tasks as NumPy arrays, leaves [N, ...].
    """

    def ranged(*parts: Any) -> Bounds | None:
        if not isinstance(parts[0], np.ndarray) or parts[0].dtype.kind not in "iub":
            return None
        values = np.concatenate(parts)
        return (int(values.min()), int(values.max())) if (values != values[:1]).any() else None

    return [ranged(*parts) for parts in zip(*map(jax.tree.leaves, drawn), strict=True)]


def is_float(leaf: jax.Array) -> bool:
    """Returns whether a leaf of a task is described as it is."""
    return bool(jnp.issubdtype(leaf.dtype, jnp.floating))


def as_vector(leaves: Sequence[jax.Array], ranges: Sequence[Bounds | None]) -> jax.Array:
    """Returns the leaves of a task as a vector [D]; leaves that are no floats are left out if they have no range."""
    told = [jnp.zeros(0, jnp.float32)]
    for leaf, bounds in zip(leaves, ranges, strict=True):
        if is_float(leaf):
            told.append(leaf.astype(jnp.float32).reshape(-1))
        elif bounds is not None:
            told.append(_tell_integers(leaf, *bounds))
    return jnp.concatenate(told)


def _tell_integers(leaf: jax.Array, low: int, high: int) -> jax.Array:
    """Encodes integers or booleans from ``low`` to ``high`` as float32 [D]."""
    if leaf.dtype == bool:
        return leaf.astype(jnp.float32).reshape(-1)
    if leaf.size * (high - low + 1) <= WIDEST_ONE_HOT:
        return jax.nn.one_hot(leaf.reshape(-1) - low, high - low + 1, dtype=jnp.float32).reshape(-1)
    return (leaf.astype(jnp.float32).reshape(-1) - low) * (2.0 / (high - low)) - 1.0
