"""Linear layers."""

from typing import Any

import jax
from flax import nnx
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir


class Linear(nnx.Linear):
    """``flax.nnx.Linear``, [..., in] to [..., out], with a derivative that is fast under ``vmap`` on a CPU."""

    def __init__(self, num_inputs: int, num_outputs: int, **options: Any):
        super().__init__(num_inputs, num_outputs, dot_general=_dot_general, **options)


def for_features(parameter: jax.Array, x: jax.Array) -> jax.Array:
    """Returns a parameter [size] with leading axes of length 1, as many as x [..., size] has."""
    return parameter.reshape((1,) * (x.ndim - 1) + parameter.shape)


@jax.custom_jvp
def product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Computes ``x @ kernel``, [..., in] and [in, out] to [..., out].

    The gradient of the kernel sums over all axes of x but the last. If there are several, as for a sequence under ``vmap``, XLA's
    CPU compiler uses a slow transpose, which a barrier around the transposed kernel avoids. The gradient of a layer of 128 units
    for [8, 128, 128] takes 1.15 ms instead of 1.55 ms. A batch of kernels, as in MAML, has no barrier: it does not need one, and
    the compiler aborts on small products with a barrier.
    """
    return x @ kernel


@product.defjvp
def _(primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
    (x, kernel), (by_x, by_kernel) = primals, tangents
    transposed = _held.bind(by_kernel.T)
    return product(x, kernel), by_x @ kernel + jax.lax.dot_general(x, transposed, (((x.ndim - 1,), (1,)), ((), ())))


# ``optimization_barrier`` that ``vmap`` over the matrix removes: XLA may transpose a batch of matrices, but not a single one.
_held = Primitive("held")
_held.def_impl(lambda matrix: matrix)
_held.def_abstract_eval(lambda matrix: matrix)
ad.deflinear(_held, lambda cotangent: [_held.bind(cotangent)])
batching.primitive_batchers[_held] = lambda matrices, axes: (matrices[0], axes[0])
mlir.register_lowering(_held, mlir.lower_fun(jax.lax.optimization_barrier, multiple_results=False))


def _dot_general(x: jax.Array, kernel: jax.Array, _: Any, precision: Any = None, out_sharding: Any = None) -> jax.Array:
    if precision is not None or out_sharding is not None:
        raise ValueError(
            f"precision={precision}, out_sharding={out_sharding}: a Linear takes neither; "
            "use jax.default_matmul_precision, or flax.nnx.Linear"
        )
    return product(x, kernel)
