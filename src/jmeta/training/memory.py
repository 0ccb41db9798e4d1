"""Memory: estimates what an outer step needs with XLA's own analysis, and checks whether the devices have it."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jmeta.outer.base import OuterLearner
from jmeta.parallel import task_mesh
from jmeta.training.files import in_bytes

GIB = 2**30
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


class MemoryNeed(NamedTuple):
    """Bytes on each device."""

    arguments: int  # inputs and outputs, once where they share a buffer
    temporary: int  # while the program runs

    @property
    def total(self) -> int:
        return self.arguments + self.temporary


def memory_estimate(outer: OuterLearner, *, num_devices: int | None = None) -> MemoryNeed:
    """Returns the memory that one outer step needs on each device; the step is compiled, not run.

    Args:
      outer: the learner.
      num_devices: number of local devices to spread the tasks over; all by default.

    Example:
      >>> import jmeta
      >>> outer = jmeta.algorithms.maml(jmeta.tasks.PointNavigation(horizon=10), widths=(8,), num_streams=4, num_tasks=4)
      >>> jmeta.training.memory_estimate(outer).temporary > 0
      True
    """
    mesh = task_mesh(num_devices)
    outer.check_devices(mesh.size)
    key = jax.eval_shape(lambda: jax.random.key(0))
    with jax.set_mesh(mesh):
        return needed_by(jax.jit(outer.step, donate_argnums=0).lower(jax.eval_shape(outer.init, key), key).compile())


def needed_by(compiled: Any) -> MemoryNeed:
    """Returns the memory that a compiled program needs; zeros where the backend does not say."""
    account = compiled.memory_analysis()
    if account is None:
        return MemoryNeed(0, 0)
    inputs_and_outputs = account.argument_size_in_bytes + account.output_size_in_bytes - account.alias_size_in_bytes
    return MemoryNeed(inputs_and_outputs, account.temp_size_in_bytes)


def check_memory(compiled: Any, outer: OuterLearner, devices: list[jax.Device]) -> None:
    """Raises ValueError if the devices can't hold what an outer step needs, before it runs."""
    check_program("an outer step", compiled, devices, outer.memory_remedy())


def check_program(what: str, compiled: Any, devices: list[jax.Device], remedy: str) -> None:
    """Raises ValueError if the devices can't hold what a compiled program needs."""
    need = needed_by(compiled).total
    shared = devices[0].platform == "cpu"  # host devices share one memory
    have = host_memory() if shared else (devices[0].memory_stats() or {}).get("bytes_limit")
    where = f"{len(devices)} host devices need together" if shared else "each device needs"
    total = need * len(devices) if shared else need
    if have is not None and total > have:
        raise ValueError(f"{what} does not fit: {where} {in_bytes(total)}, and there are {in_bytes(have)}; {remedy}")


def host_memory() -> int:
    """Returns the bytes that this process may use."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = CGROUP_LIMIT.read_text().strip() if CGROUP_LIMIT.exists() else "max"
    return physical if limit == "max" else min(physical, int(limit))
