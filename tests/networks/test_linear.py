"""A linear layer, and a derivative written for XLA's compiler."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from jmeta.networks.linear import Linear, product

X, KERNEL = jax.random.normal(jax.random.key(0), (3, 4, 5)), jax.random.normal(jax.random.key(1), (5, 2))


def test_the_layer_is_flaxs() -> None:
    ours, theirs = Linear(5, 2, rngs=nnx.Rngs(0)), nnx.Linear(5, 2, rngs=nnx.Rngs(0))
    chex.assert_trees_all_equal(ours(X), theirs(X))


TWICE = jax.vmap(jax.vmap(product, in_axes=(0, None)), in_axes=(0, None))
DERIVATIVES = [partial(jax.grad, argnums=(0, 1)), partial(jax.jacfwd, argnums=1), partial(jax.hessian, argnums=1)]


@pytest.mark.parametrize("multiply", [product, jax.vmap(product, in_axes=(0, None)), TWICE])
@pytest.mark.parametrize("derivative", DERIVATIVES)
def test_its_derivatives_are_those_of_the_product(multiply, derivative) -> None:
    def loss(multiply):
        return lambda x, kernel: (jnp.tanh(multiply(x, kernel)) ** 2).sum()

    chex.assert_trees_all_close(derivative(loss(multiply))(X, KERNEL), derivative(loss(jnp.matmul))(X, KERNEL), atol=1e-5)


def test_what_it_would_ignore_is_refused() -> None:
    with pytest.raises(ValueError, match=r"precision=highest, .* use jax.default_matmul_precision"):
        Linear(5, 2, precision="highest", rngs=nnx.Rngs(0))(X)


def test_a_single_kernels_gradient_is_held_and_a_batch_of_them_is_not() -> None:
    """XLA's CPU compiler aborts on small batched products behind a barrier."""

    def gradient(kernel: jax.Array, x: jax.Array) -> jax.Array:
        return jax.grad(lambda kernel: (product(x, kernel) ** 2).sum())(kernel)

    kernels = jnp.stack([KERNEL] * 3)
    assert "optimization_barrier" in jax.jit(gradient).lower(KERNEL, X).as_text()
    for axes in [(0, 0), (None, 0), (0, None)]:
        args = [some if axis is None else many for axis, some, many in zip(axes, (KERNEL, X), (kernels, X[:, None]), strict=True)]
        mapped = jax.jit(jax.vmap(gradient, in_axes=axes))
        assert "optimization_barrier" not in mapped.lower(*args).as_text()
        assert mapped(*args).shape == kernels.shape
