"""The streams of a task: ``vmap`` over them, without an axis for a single one."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jmeta.types import PyTree


def over_streams(
    function: Callable[..., Any], in_axes: tuple[int, ...] = (0, 0), out_axes: tuple[int, ...] = (0, 0)
) -> Callable[..., Any]:
    """Applies ``vmap`` over the streams of a task; a single stream is passed without a stream axis.

    Callers also ``vmap`` over tasks, and XLA multiplies matrices with one batch axis 1.6 times as fast as with a second one of
    size 1.

    Args:
      function: function of one stream; takes as many trees as ``in_axes`` has entries and returns as many as ``out_axes``.
      in_axes: stream axis of each argument.
      out_axes: stream axis of each result.
    """

    def mapped(*args: PyTree) -> PyTree:
        if jax.tree.leaves(args[-1])[0].shape[in_axes[-1]] > 1:
            return jax.vmap(function, in_axes, out_axes)(*args)
        alone = (jax.tree.map(partial(jnp.squeeze, axis=axis), arg) for arg, axis in zip(args, in_axes, strict=True))
        results = function(*alone)
        return tuple(
            jax.tree.map(partial(jnp.expand_dims, axis=axis), result) for result, axis in zip(results, out_axes, strict=True)
        )

    return mapped
