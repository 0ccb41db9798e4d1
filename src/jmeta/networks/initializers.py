"""Initializers of weights."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

Initializer = Callable[..., jax.Array]


def orthogonal(gain: float = 1.0) -> Initializer:
    """Initializes ``gain`` times a uniformly random matrix whose rows or columns, whichever are fewer, are orthonormal.

    It applies the Gram-Schmidt process to a Gaussian matrix and orthogonalises each column twice, which is exact up to rounding
    and needs only matrix products. ``jax.nn.initializers.orthogonal`` calls LAPACK, whose batched routines can deadlock on a CPU:
    see docs/design.md.

    Returns:
      ``(key, (rows, columns), dtype) -> [rows, columns]``.

    References:
      Saxe et al. 2014, arXiv 1312.6120. Giraud et al. 2005, The Loss of Orthogonality in the Gram-Schmidt Process: twice is
      enough.
    """

    def initialize(key: jax.Array, shape: tuple[int, int], dtype: jnp.dtype = jnp.float32) -> jax.Array:
        tall = jax.random.normal(key, (max(shape), min(shape)), dtype)

        def add_column(index: jax.Array, basis: jax.Array) -> jax.Array:
            column = tall[:, index]
            for _ in range(2):
                column = column - basis @ (basis.T @ column)
            return basis.at[:, index].set(column / jnp.linalg.norm(column))

        basis = jax.lax.fori_loop(0, min(shape), add_column, jnp.zeros_like(tall))
        return gain * (basis if shape[0] >= shape[1] else basis.T)

    return initialize
