"""The task axis on a mesh of devices.

Meta-learning is embarrassingly parallel over tasks: each device rolls out and replays its own share of them, and only
gradients and statistics are averaged. The mesh is ambient (``jax.set_mesh``), so a learner never refers to devices. Without a
mesh the same code runs on one device.

On a CPU, use one XLA device per core: XLA's own threading gains almost nothing on networks this small.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, PartitionSpec

TASK_AXIS = "tasks"
SHARED = PartitionSpec()
"""Partition of arrays that are replicated on all devices."""
BY_TASK = PartitionSpec(TASK_AXIS)
"""Partition of arrays with a leading task axis."""
STREAMS_IN_CACHE = 50
ROWS_IN_CACHE = 512
"""Replay rows that a CPU device differentiates at once; with three layers of 300 units 1.4 times as fast as 4,096."""


def task_mesh(num_devices: int | None = None) -> Mesh:
    """Returns a one-dimensional mesh over the local devices, with the axis "tasks".

    Args:
      num_devices: number of ``jax.local_devices()`` to use; all of them by default.

    Raises:
      TypeError: if the number is not a whole one.
      ValueError: if there are fewer devices than requested, or if this is one of several processes of ``jax.distributed``, since
        each would train the same model by itself.
    """
    if jax.process_count() > 1:
        raise ValueError(
            f"this is process {jax.process_index()} of {jax.process_count()} of jax.distributed, and jmeta runs in a single "
            "process: start it without jax.distributed.initialize, on one host"
        )
    devices = jax.local_devices()
    count = len(devices) if num_devices is None else num_devices
    if isinstance(count, bool) or not isinstance(count, int | np.integer):
        raise TypeError(f"num_devices={count!r}: give a whole number from 1 to {len(devices)}")
    if count < 1:
        raise ValueError(f"num_devices={count}: give a whole number from 1 to {len(devices)}")
    if count > len(devices):
        raise ValueError(
            f"num_devices={count}, but this process has {len(devices)}: "
            "on a CPU, set JAX_NUM_CPU_DEVICES before starting Python to make more"
        )
    return jax.make_mesh((count,), (TASK_AXIS,), (jax.sharding.AxisType.Auto,), devices=devices[:count])


def num_task_devices() -> int:
    """Returns the number of devices that the ambient mesh splits tasks over; 1 without a mesh."""
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty:
        return 1
    if mesh.axis_names != (TASK_AXIS,):
        raise ValueError(
            f"the current mesh has the axes {mesh.axis_names}, but jmeta splits tasks over a single axis {TASK_AXIS!r}: "
            "exit that mesh, or enter jax.set_mesh(jmeta.parallel.task_mesh())"
        )
    return mesh.shape[TASK_AXIS]


def platform() -> str:
    """Returns the platform that a program is traced for, such as "cpu": that of the ambient mesh, or else JAX's default one."""
    device = jax.sharding.get_abstract_mesh().abstract_device
    return jax.default_backend() if device is None else str(device.platform)


def tasks_at_once(num_tasks: int, num_each: int, in_cache: int = STREAMS_IN_CACHE) -> int:
    """Returns how many of ``num_tasks`` tasks, of ``num_each`` streams or rows, one device should differentiate at once.

    On a CPU their data should fit into a core's cache: with networks of 64 to 100 units, about fifty streams train a third
    faster than five hundred. On an accelerator it is all tasks; choose a smaller number yourself to bound memory.

    Returns:
      The divisor of ``num_tasks`` that comes nearest to ``in_cache`` streams or rows.
    """
    if platform() != "cpu":
        return num_tasks
    divisors = [size for size in range(1, num_tasks + 1) if num_tasks % size == 0]
    return min(divisors, key=lambda size: abs(math.log(size * num_each / in_cache)))


def over_tasks(function: Callable[..., Any], *, shared: Any = SHARED, output: Any = SHARED) -> Callable[..., Any]:
    """Runs ``function(shared, per_task)`` on every device with its share of the tasks.

    Args:
      function: takes a tree that all devices share and a tree whose leading axis is tasks.
      shared: partition of the first argument: ``SHARED``, or a tree prefix of ``SHARED`` and, for a task axis, ``BY_TASK``.
      output: partition of the result, likewise. ``SHARED`` parts must be equal on all devices, as after ``mean_over_devices``.

    Returns:
      A function of the same arguments, over all tasks.
    """
    if jax.sharding.get_abstract_mesh().empty:
        return function
    num_task_devices()  # raises for a mesh of another kind
    return jax.shard_map(
        function,
        in_specs=(shared, BY_TASK),
        out_specs=output,
        check_vma=False,  # gradients stay local until mean_over_devices averages them
    )


def mean_over_devices(tree: Any) -> Any:
    """Returns the mean of each leaf over devices; for use inside ``over_tasks``.

    One collective averages all leaves of a dtype, since XLA's CPU runtime synchronises devices for every array.
    """
    if num_task_devices() == 1:
        return tree
    leaves, structure = jax.tree.flatten(tree)
    means = dict[int, jax.Array]()
    for dtype in dict.fromkeys(leaf.dtype for leaf in leaves):
        alike = {place: leaf for place, leaf in enumerate(leaves) if leaf.dtype == dtype}
        flat, restore = ravel_pytree(alike)
        means |= restore(jax.lax.pmean(flat, TASK_AXIS))
    return jax.tree.unflatten(structure, [means[place] for place in range(len(leaves))])


def gather_devices(array: jax.Array) -> jax.Array:
    """Gathers leaves [n, ...] of all devices into [devices * n, ...], in device order; for use inside ``over_tasks``."""
    if jax.sharding.get_abstract_mesh().empty:
        return array
    return jax.lax.all_gather(array, TASK_AXIS, tiled=True)


def device_index() -> jax.Array | int:
    """Returns the index of this device in the mesh, from 0; for use inside ``over_tasks``."""
    return 0 if jax.sharding.get_abstract_mesh().empty else jax.lax.axis_index(TASK_AXIS)
