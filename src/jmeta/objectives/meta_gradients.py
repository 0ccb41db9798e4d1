"""Gradients that are themselves differentiated, cheaply."""

from collections.abc import Callable
from typing import Any

import jax


def mixed_mode_grad(loss: Callable[[Any, Any], jax.Array]) -> Callable[[Any, Any], Any]:
    """``jax.grad(loss)`` whose own derivative is taken forward-over-reverse.

    Differentiating a gradient backwards records all of its intermediate values and walks them again. Because a Hessian is
    symmetric, the vector-Jacobian product with the gradient is also a Jacobian-*vector* product, jvp(grad(loss)), which
    records nothing. Same derivative, less memory, less time.

    Args:
      loss: ``loss(parameters, data) -> []``. It must not close over traced values.

    Returns:
      ``gradient(parameters, data)``, differentiable in the parameters; data is a constant. Reverse mode only.

    References:
      Kemaev et al. 2025, arXiv 2505.00793 (MixFlow-MG).

    Example:
      >>> import jax
      >>> cube = lambda x, scale: scale * x ** 3
      >>> float(jax.grad(mixed_mode_grad(cube))(2.0, 1.0))  # the second derivative, 6 x
      12.0
    """
    gradient = jax.grad(loss)

    @jax.custom_vjp
    def mixed(parameters: Any, data: Any) -> Any:
        return gradient(parameters, data)

    def forward(parameters: Any, data: Any) -> tuple[Any, tuple[Any, Any]]:
        return gradient(parameters, data), (parameters, data)

    def backward(residuals: tuple[Any, Any], cotangent: Any) -> tuple[Any, None]:
        parameters, data = residuals
        _, product = jax.jvp(lambda p: gradient(p, data), (parameters,), (cotangent,))
        return product, None

    mixed.defvjp(forward, backward)
    return mixed
