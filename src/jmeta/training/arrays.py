"""A meta-state as arrays by path, and as the bytes and the layout that a checkpoint stores."""

import json
import zlib
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.types import PyTree


class Packed(NamedTuple):
    """The bytes of all arrays, one after the other, and their layout."""

    content: Any  # bytes, or an array of them
    layout: list[Any]  # of each array: path, dtype, shape, and the implementation if it is a random key

    @property
    def checksum(self) -> int:
        """The CRC-32 of the layout and the content."""
        return zlib.crc32(self.content, zlib.crc32(json.dumps(self.layout).encode()))

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray], implementations: dict[str, str]) -> "Packed":
        """Packs arrays by path, and the implementations of those that are random keys."""
        layout = [
            [path, str(array.dtype), list(array.shape), *([implementations[path]] if path in implementations else [])]
            for path, array in arrays.items()
        ]
        return cls(b"".join(array.tobytes() for array in arrays.values()), layout)

    def unpack(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Returns arrays by path, and the implementation of those that are random keys (not recorded by jmeta 0.1)."""
        arrays, implementations, begin = {}, {}, 0
        for path, dtype, shape, *implementation in self.layout:
            arrays[path] = np.ndarray(shape, jnp.dtype(dtype), self.content, begin).copy()
            begin += arrays[path].nbytes
            if implementation:
                implementations[path] = implementation[0]
        return arrays, implementations


def to_arrays(state: PyTree) -> dict[str, np.ndarray]:
    """Returns a flat dictionary from path to array, copied to the host, with random keys as their data."""
    return {_name(path): np.array(_data(leaf)) for path, leaf in jax.tree_util.tree_leaves_with_path(state)}


def non_finite_array(arrays: dict[str, np.ndarray]) -> tuple[str, float] | None:
    """Returns the path of the first array that holds NaN or infinity, and that value; None if all numbers are finite."""
    for path, array in arrays.items():
        if jnp.issubdtype(array.dtype, jnp.inexact):
            bad = array[~np.isfinite(array)]
            if bad.size:
                return path, float(bad[0].real)
    return None


def key_implementations(state: PyTree) -> dict[str, str]:
    """Returns the implementation, "threefry2x32" or "rbg", of every leaf that is a random key, by path."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {_name(path): str(jax.random.key_impl(leaf)) for path, leaf in leaves if _is_key(leaf)}


def from_arrays(arrays: dict[str, np.ndarray], template: PyTree, implementations: dict[str, str] | None = None) -> PyTree:
    """The inverse of ``to_arrays``, into the structure of ``template`` (arrays or their shapes).

    Args:
      arrays: arrays by path.
      template: a state of the same structure, or its shapes.
      implementations: implementation of each random key by path, the template's by default. So a key keeps its
        implementation even if JAX's default has changed.

    Raises:
      ValueError: if a path, shape or dtype is not the template's.
    """
    leaves_with_path, structure = jax.tree_util.tree_flatten_with_path(template)
    names = [_name(path) for path, _ in leaves_with_path]
    if set(names) != set(arrays):
        odd = sorted(set(names) ^ set(arrays))
        raise ValueError(f"the checkpoint belongs to another learner: {odd[0]} is in only one of the two ({len(odd)} such)")
    leaves = []
    for name, (_, like) in zip(names, leaves_with_path, strict=True):
        array = arrays[name]
        implementation = None
        if _is_key(like):
            implementation = (implementations or {}).get(name) or str(jax.random.key_impl(like))
            like = jax.eval_shape(partial(_key_data_like, like.shape, implementation))
        if array.shape != like.shape or array.dtype != like.dtype:
            raise ValueError(
                f"the checkpoint belongs to another learner: {name} is {array.dtype}{list(array.shape)} there but "
                f"{like.dtype}{list(like.shape)} here"
            )
        leaves.append(array if implementation is None else jax.random.wrap_key_data(jnp.asarray(array), impl=implementation))
    return jax.tree.unflatten(structure, leaves)


def num_bytes(state: PyTree) -> int:
    """Returns the approximate size of a state on disk, in bytes."""
    sizes: list[Any] = [leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(jax.eval_shape(_plain, state))]
    return int(sum(sizes))


def _plain(state: PyTree) -> PyTree:
    return jax.tree.map(_data, state)


def _data(leaf: jax.Array) -> jax.Array:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _is_key(leaf: Any) -> bool:
    return jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _key_data_like(shape: tuple[int, ...], implementation: str) -> jax.Array:
    data = jax.random.key_data(jax.random.key(0, impl=implementation))
    return jnp.zeros((*shape, *data.shape), data.dtype)


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")
