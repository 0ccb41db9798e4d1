"""Costs of programs as they are written, against counts by hand."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest

from jmeta.parallel import BY_TASK, SHARED, over_tasks, task_mesh
from jmeta.planning.traced_costs import TracedCosts, traced_costs

X = jax.ShapeDtypeStruct((3, 5), jnp.float32)
W = jax.ShapeDtypeStruct((5, 7), jnp.float32)
PRODUCT = 2 * 3 * 5 * 7


def costs_of(function, *args):
    return traced_costs(jax.jit(function).trace(*args).jaxpr.jaxpr)


def test_a_matrix_product_takes_a_product_and_a_sum_for_each_element():
    assert costs_of(jnp.matmul, X, W) == TracedCosts(matrix_flops=PRODUCT)


def test_operations_on_elements_count_once_each_and_moves_do_not():
    costs = costs_of(lambda x: jnp.transpose(jnp.sin(x) + 1.0), X)
    assert costs == TracedCosts(other_flops=2 * 15)
    assert costs_of(lambda x: x.astype(jnp.int32) + 1, X) == TracedCosts()


@pytest.mark.parametrize("reverse", [False, True])
def test_a_loop_counts_as_often_as_it_runs(reverse):
    def loop(x, w):
        return jax.lax.scan(lambda carry, _: (carry, carry @ w), x, None, length=11, reverse=reverse)

    assert costs_of(loop, X, W) == TracedCosts(matrix_flops=11 * PRODUCT, serial_steps=11)


def test_loops_in_loops_multiply():
    def inner(x, w):
        return jax.lax.scan(lambda carry, _: (carry, carry @ w), x, None, length=11)[1].sum((0, 1))

    def outer(x, w):
        return jax.lax.scan(lambda carry, _: (carry, inner(carry, w)), x, None, length=4)

    costs = costs_of(outer, X, W)
    assert costs.matrix_flops == 4 * 11 * PRODUCT
    assert costs.serial_steps == 44


def test_a_loop_of_unknown_length_counts_once_and_is_reported():
    costs = costs_of(lambda x, w, n: jax.lax.fori_loop(0, n, lambda _, x: x @ w @ w.T, x), X, W, jnp.int32(3))
    assert costs.matrix_flops == 2 * PRODUCT
    assert costs.unknown_loops == 1


def test_of_two_branches_the_longer_one_counts():
    def branches(x, w):
        return jax.lax.cond(x.sum() > 0, lambda: x @ w, lambda: (x @ w) @ (w.T @ w))

    assert costs_of(branches, X, W).matrix_flops == PRODUCT + 2 * 7 * 7 * 5 + 2 * 3 * 7 * 7


def test_a_derivative_takes_two_more_products():
    costs = costs_of(jax.grad(lambda w, x: jnp.square(x @ w).sum(), argnums=(0, 1)), W, X)
    assert costs.matrix_flops == 3 * PRODUCT


def test_vmap_multiplies_by_its_axis():
    many = jax.ShapeDtypeStruct((6, 3, 5), jnp.float32)
    assert costs_of(jax.vmap(jnp.matmul, (0, None)), many, W).matrix_flops == 6 * PRODUCT


def test_convolutions():
    image, kernel = jax.ShapeDtypeStruct((2, 10, 10, 3), jnp.float32), jax.ShapeDtypeStruct((3, 3, 3, 8), jnp.float32)
    convolve = partial(jax.lax.conv_general_dilated, window_strides=(1, 1), padding="SAME")
    numbers = ("NHWC", "HWIO", "NHWC")
    assert costs_of(partial(convolve, dimension_numbers=numbers), image, kernel).matrix_flops == 2 * (2 * 10 * 10 * 8) * (
        3 * 3 * 3
    )


def test_what_is_spread_over_devices_counts_for_one_of_them():
    mesh = jax.sharding.AbstractMesh((4,), ("tasks",), axis_types=(jax.sharding.AxisType.Auto,))
    many = jax.ShapeDtypeStruct((8, 3, 5), jnp.float32)

    def products(w, x):
        return over_tasks(lambda w, x: x @ w, shared=SHARED, output=BY_TASK)(w, x)

    with jax.sharding.use_abstract_mesh(mesh):
        assert costs_of(products, W, many).matrix_flops == 2 * PRODUCT
    with jax.set_mesh(task_mesh(1)):
        assert costs_of(products, W, many).matrix_flops == 8 * PRODUCT
