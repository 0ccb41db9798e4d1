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


@jax.custom_jvp
def product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """``x @ kernel``, [..., in] and [in, out] to [..., out].

    The gradient of the kernel sums over every axis of x but the last. Where these are several, as they are for a sequence under
    ``vmap``, XLA's CPU compiler transposes a matrix the slow way; a kernel held transposed leads it to the fast one. The
    gradient of a layer of 128 units for [8, 128, 128] takes 1.15 ms instead of 1.55 ms. A batch of kernels, as MAML's tasks
    have, is left as it was: it does not need this, and the compiler aborts on small products that are held.
    """
    return x @ kernel


@product.defjvp
def _(primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
    (x, kernel), (by_x, by_kernel) = primals, tangents
    transposed = _held.bind(by_kernel.T)
    return product(x, kernel), by_x @ kernel + jax.lax.dot_general(x, transposed, (((x.ndim - 1,), (1,)), ((), ())))


# ``optimization_barrier``, which ``vmap`` takes away: the compiler may not turn a single matrix, and may turn a batch of them.
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
