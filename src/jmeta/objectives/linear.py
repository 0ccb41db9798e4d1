"""Small linear systems."""

import chex
import jax
import jax.numpy as jnp


def solve_positive_definite(matrix: jax.Array, vector: jax.Array) -> jax.Array:
    """The x [F] with ``matrix`` [F, F] x = ``vector`` [F], by Gauss and Jordan's elimination, which needs no pivoting here.

    Not by LAPACK, whose batched routines can deadlock on a CPU: see docs/design.md.
    """
    chex.assert_rank([matrix, vector], [2, 1])

    def eliminate(index: jax.Array, system: jax.Array) -> jax.Array:
        row = system[index] / system[index, index]
        return (system - jnp.outer(system[:, index], row)).at[index].set(row)

    system = jnp.concatenate([matrix, vector[:, None]], axis=1)
    return jax.lax.fori_loop(0, len(vector), eliminate, system)[:, -1]
