"""Square roots of matrices."""

from typing import Any

import chex
import jax
import jax.numpy as jnp

MOST_STEPS = 60


def square_roots(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the symmetric square root of a covariance ``matrix`` [F, F], and the inverse of that root.

    Uses the coupled Newton-Schulz iteration: with Y the root and Z its inverse,

        T = (3 I - Z Y) / 2,   Y <- Y T,   Z <- T Z,

    which needs matrix products only. All eigenvalues are raised by 1e-6 of their mean, since the iteration can't tell smaller
    ones from zero in float32. So a covariance that rounding has made slightly indefinite has roots too.

    LAPACK is not used, since its batched routines can deadlock on a CPU: see docs/design.md.

    References:
      Higham 2008, Functions of Matrices, equation 6.35.
    """
    chex.assert_rank(matrix, 2)
    size, dtype = len(matrix), matrix.dtype
    identity = jnp.eye(size, dtype=dtype)
    raised = matrix + 1e-6 * jnp.trace(matrix) / size * identity
    scale = jnp.abs(raised).sum(1).max()  # at least the largest eigenvalue
    enough = 4 * size * jnp.finfo(dtype).eps

    def error(root: jax.Array, inverse: jax.Array) -> jax.Array:
        return jnp.matmul(inverse, root, precision="highest") - identity

    def improve(carry: tuple[Any, ...]) -> tuple[Any, ...]:
        root, inverse, wrong, distance, _, number = carry
        factor = identity - wrong / 2.0
        root, inverse = jnp.matmul(root, factor, precision="highest"), jnp.matmul(factor, inverse, precision="highest")
        wrong = error(root, inverse)
        return root, inverse, wrong, jnp.linalg.norm(wrong), distance, number + 1

    def goes_on(carry: tuple[Any, ...]) -> jax.Array:
        *_, distance, last, number = carry
        return (number < MOST_STEPS) & (distance > enough) & ((distance > 0.5) | (distance < last))

    first = (raised / scale, identity)
    wrong, unknown = error(*first), jnp.full((), jnp.inf, dtype)
    carry = (*first, wrong, jnp.linalg.norm(wrong), unknown, jnp.zeros((), jnp.int32))
    root, inverse, *_ = jax.lax.while_loop(goes_on, improve, carry)
    return root * jnp.sqrt(scale), inverse / jnp.sqrt(scale)
