"""Gradient functions with a cheaper second derivative."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def mixed_mode_grad(loss: Callable[[Any, Any, Any], jax.Array], *, chunked: bool = False) -> Callable[[Any, Any, Any], Any]:
    """Returns ``jax.grad(loss)`` with a derivative that is computed forward-over-reverse.

    Reverse-mode differentiation of a gradient stores all of its intermediate values. Because second derivatives are symmetric,
    the vector-Jacobian product of the gradient is also a Jacobian-*vector* product: with g the gradient in parameters p, and c
    the cotangent,

        (dg/dp)^T c = d/de grad_p L(p + e c, o),        (dg/do)^T c = d/de grad_o L(p + e c, o),

    which is one ``jvp`` of ``grad(loss)`` and stores nothing. The derivative is the same and takes less memory and time.

    Args:
      loss: ``loss(parameters, others, data) -> []``. It must not close over traced values.
      chunked: whether data has a leading axis of chunks, over which the loss is a sum. Chunks are processed one at a time, which
        bounds memory by that of one chunk.

    Returns:
      ``gradient(parameters, others, data)``, the derivative in parameters; differentiable in parameters and others, data is a
      constant. Reverse mode only.

    References:
      Kemaev et al. 2025, arXiv 2505.00793 (MixFlow-MG).

    Example:
      >>> import jax
      >>> cube = lambda x, scale, _: scale * x ** 3
      >>> gradient = mixed_mode_grad(cube)
      >>> [float(d) for d in jax.grad(gradient, argnums=(0, 1))(2.0, 1.0, None)]  # of 3 scale x^2: 6 scale x, and 3 x^2
      [12.0, 12.0]
    """
    gradient = _summed(jax.grad(loss)) if chunked else jax.grad(loss)
    both_gradients = jax.grad(loss, argnums=(0, 1))
    both_gradients = _summed(both_gradients) if chunked else both_gradients

    @jax.custom_vjp
    def mixed(parameters: Any, others: Any, data: Any) -> Any:
        return gradient(parameters, others, data)

    def forward(parameters: Any, others: Any, data: Any) -> tuple[Any, tuple[Any, Any, Any]]:
        return gradient(parameters, others, data), (parameters, others, data)

    def backward(residuals: tuple[Any, Any, Any], cotangent: Any) -> tuple[Any, Any, None]:
        parameters, others, data = residuals
        _, (by_parameters, by_others) = jax.jvp(lambda p: both_gradients(p, others, data), (parameters,), (cotangent,))
        return by_parameters, by_others, None

    mixed.defvjp(forward, backward)
    return mixed


def _summed(function: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    """Returns the sum of a function over the leading axis of its last argument."""

    def total(parameters: Any, others: Any, data: Any) -> Any:
        def add(total: Any, chunk: Any) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, total, function(parameters, others, chunk)), None

        like = jax.eval_shape(function, parameters, others, jax.tree.map(lambda x: x[0], data))
        zero = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), like)
        return jax.lax.scan(add, zero, data)[0]

    return total
