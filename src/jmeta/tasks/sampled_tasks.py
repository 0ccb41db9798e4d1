"""Tasks sampled from a distribution as NumPy arrays, and how many of them differ."""

import functools
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.tasks.constant import outside_of_traces
from jmeta.types import PyTree

if TYPE_CHECKING:
    from jmeta.tasks.base import TaskDistribution

SAMPLED_TASKS = 512


@functools.lru_cache(maxsize=64)
def sampled_tasks(tasks: "TaskDistribution") -> PyTree:
    """Draws ``SAMPLED_TASKS`` tasks of a distribution as NumPy arrays, with the same keys for every split."""
    with outside_of_traces():
        keys = jax.random.split(jax.random.key(0), SAMPLED_TASKS)
        return jax.tree.map(_as_numpy, jax.jit(jax.vmap(tasks.sample))(keys))


def _as_numpy(leaf: jax.Array) -> Any:
    return leaf if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else np.asarray(leaf)


def distinct(drawn: PyTree) -> int:
    """Returns the number of different tasks in a batch."""
    return len(set(rows_of(drawn)))


def rows_of(drawn: PyTree) -> list[bytes]:
    """Returns the bytes of each task of a batch."""
    leaves = [leaf if isinstance(leaf, np.ndarray) else np.asarray(jax.random.key_data(leaf)) for leaf in jax.tree.leaves(drawn)]
    return [b"".join(leaf[index].tobytes() for leaf in leaves) for index in range(len(leaves[0]))] if leaves else []
