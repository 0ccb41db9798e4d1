"""Means over devices and chunks, and axes that are split and merged."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.axes import deal_axis, mean_over_chunks, merge_axis, split_axis
from jmeta.parallel import mean_over_devices, over_tasks, task_mesh


def test_the_mean_over_devices_keeps_shapes_and_dtypes():
    def mean(_: None, x: jax.Array) -> dict[str, jax.Array]:
        share = x[0]
        return mean_over_devices({"matrix": share, "narrow": share[0].astype(jnp.bfloat16), "scalar": share.sum()})

    x = jnp.arange(12.0).reshape(2, 2, 3)
    with jax.set_mesh(task_mesh(2)):
        means = jax.jit(over_tasks(mean))(None, x)
    expected = {"matrix": x.mean(0), "narrow": x[:, 0].mean(0).astype(jnp.bfloat16), "scalar": x.sum() / 2}
    chex.assert_trees_all_equal(means, expected)
    chex.assert_trees_all_equal_dtypes(means, expected)


def test_the_mean_over_chunks():
    chunks = jnp.array([[1.0, 2.0], [3.0, 8.0], [5.0, -4.0]])
    np.testing.assert_allclose(mean_over_chunks(lambda x: {"sum": x.sum(), "first": x[:1]}, chunks)["sum"], 5.0)
    np.testing.assert_allclose(mean_over_chunks(lambda x: x * 2.0, chunks), [6.0, 4.0])


def test_axes_are_split_in_rows_dealt_in_turn_and_merged_again():
    """Six in two groups: 0 1 2 and 3 4 5, or 0 2 4 and 1 3 5; along the second axis, beside another."""
    x = jnp.stack([jnp.arange(6), 10 + jnp.arange(6)])
    np.testing.assert_array_equal(split_axis(x, 1, 2), [[[0, 1, 2], [10, 11, 12]], [[3, 4, 5], [13, 14, 15]]])
    np.testing.assert_array_equal(deal_axis(x, 1, 2), [[[0, 2, 4], [10, 12, 14]], [[1, 3, 5], [11, 13, 15]]])
    np.testing.assert_array_equal(merge_axis(split_axis(x, 1, 3), 1), x)
    with pytest.raises(ValueError, match="4 chunks do not divide 6 streams or tasks"):
        split_axis(x, 1, 4)
