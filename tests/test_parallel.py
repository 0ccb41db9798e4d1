"""Means over devices."""

import chex
import jax
import jax.numpy as jnp

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
