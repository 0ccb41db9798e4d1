"""Small linear systems."""

import chex
import jax
import jax.numpy as jnp


def solve_positive_definite(matrix: jax.Array, vector: jax.Array) -> jax.Array:
    """Solves ``matrix`` [F, F] x = ``vector`` [F] for x, by Gauss-Jordan elimination, which needs no pivoting here.

    A pivot below a few times the dtype's epsilon, relative to its diagonal entry, is only rounding error: the other unknowns
    determine this one. It is set to 0, so a singular matrix gives a finite x too.

    LAPACK is not used, since its batched routines can deadlock on a CPU: see docs/workarounds.md.
    """
    chex.assert_rank([matrix, vector], [2, 1])
    negligible = 4.0 * jnp.finfo(matrix.dtype).eps * jnp.diagonal(matrix)

    def eliminate(index: jax.Array, system: jax.Array) -> jax.Array:
        pivot = system[index, index]
        row = jnp.where(pivot > negligible[index], system[index] / jnp.where(pivot == 0.0, 1.0, pivot), 0.0)
        return (system - jnp.outer(system[:, index], row)).at[index].set(row)

    system = jnp.concatenate([matrix, vector[:, None]], axis=1)
    return jax.lax.fori_loop(0, len(vector), eliminate, system)[:, -1]
