"""Conjugate gradients on trees."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jmeta.types import PyTree


class _Iterate(NamedTuple):
    """State of conjugate gradients."""

    x: PyTree
    residual: PyTree
    direction: PyTree
    going: jax.Array  # [] bool, whether all directions so far had positive curvature


def solve_where_positive(matrix: Callable[[PyTree], PyTree], vector: PyTree, num_steps: int) -> PyTree:
    """Solves matrix(x) = vector by conjugate gradients that stop at a direction of non-positive curvature.

    Beyond such a direction the iterates may grow without bound. The iterates before it are those of a positive definite matrix.
    If the first direction already has non-positive curvature, x is ``vector``, as for the identity matrix.

    Args:
      matrix: symmetric linear function of trees like ``vector``.
      vector: right-hand side.
      num_steps: largest number of steps; each applies ``matrix`` once.

    References:
      Steihaug 1983, The conjugate gradient method and trust regions in large scale optimization.
    """

    def step(carry: _Iterate, number: jax.Array) -> tuple[_Iterate, None]:
        x, residual, direction, going = carry
        along = matrix(direction)
        curvature, square = optax.tree.vdot(direction, along), optax.tree.vdot(residual, residual)
        positive = going & (curvature > 1e-6 * optax.tree.vdot(direction, direction))
        length = jnp.where(positive, square / jnp.where(positive, curvature, 1.0), jnp.where(number == 0, 1.0, 0.0))
        x = optax.tree.add_scale(x, length, direction)
        residual = optax.tree.add_scale(residual, -length, along)
        turn = optax.tree.vdot(residual, residual) / jnp.maximum(square, 1e-30)
        return _Iterate(x, residual, optax.tree.add_scale(residual, turn, direction), positive), None

    start = _Iterate(optax.tree.zeros_like(vector), vector, vector, jnp.asarray(True))
    return jax.lax.scan(step, start, jnp.arange(num_steps))[0].x
