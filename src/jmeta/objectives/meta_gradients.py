"""Gradients that are themselves differentiated, cheaply."""

from collections.abc import Callable
from typing import Any

import jax


def mixed_mode_grad(loss: Callable[[Any, Any, Any], jax.Array]) -> Callable[[Any, Any, Any], Any]:
    """``jax.grad(loss)`` whose own derivative is taken forward-over-reverse.

    Differentiating a gradient backwards records all of its intermediate values and walks them again. Because second derivatives
    are symmetric, the vector-Jacobian product with the gradient is also a Jacobian-*vector* product: with g the gradient in
    parameters p, and c what is to be pulled back,

        (dg/dp)^T c = d/de grad_p L(p + e c, o),        (dg/do)^T c = d/de grad_o L(p + e c, o),

    one ``jvp`` of ``grad(loss)``, which records nothing. Same derivative, less memory, less time.

    Args:
      loss: ``loss(parameters, others, data) -> []``. It must not close over traced values.

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
    gradient = jax.grad(loss)

    @jax.custom_vjp
    def mixed(parameters: Any, others: Any, data: Any) -> Any:
        return gradient(parameters, others, data)

    def forward(parameters: Any, others: Any, data: Any) -> tuple[Any, tuple[Any, Any, Any]]:
        return gradient(parameters, others, data), (parameters, others, data)

    def backward(residuals: tuple[Any, Any, Any], cotangent: Any) -> tuple[Any, Any, None]:
        parameters, others, data = residuals
        both = lambda p: jax.grad(loss, argnums=(0, 1))(p, others, data)  # noqa: E731
        _, (along_parameters, along_others) = jax.jvp(both, (parameters,), (cotangent,))
        return along_parameters, along_others, None

    mixed.defvjp(forward, backward)
    return mixed
