"""The largest meta-batch that fits on a topology."""

from collections.abc import Callable
from typing import NamedTuple

from jmeta.outer.base import OuterLearner
from jmeta.planning.plan import Plan, plan
from jmeta.planning.topology import Topology

LARGEST = 2**26
"""Largest number of tasks that is tried."""


class Fit(NamedTuple):
    """The largest number of tasks that fits, among those that double.

    Attributes:
      num_tasks: the number; None if not even the smallest that divides over the devices fits.
      plan: its plan.
      next: the plan of twice as many, or of the smallest, which does not fit; None if the largest that is tried does.
    """

    num_tasks: int | None
    plan: Plan | None
    next: Plan | None


def largest_that_fits(build: Callable[[int], OuterLearner], topology: Topology | str, num_tasks: int) -> Fit:
    """Returns the largest of num_tasks, and its doubles and halves, with which an outer step fits on every device.

    Memory grows almost linearly with the number of tasks. Two plans predict where it ends, and programs that are compiled around
    it decide.

    Args:
      build: returns the learner of a number of tasks.
      topology: the devices.
      num_tasks: number of tasks to begin with.

    Raises:
      ValueError: for a topology for which programs can't be compiled, or a number of tasks that does not divide over its devices.
    """
    topology = Topology.parse(topology) if isinstance(topology, str) else topology
    if not topology.compiles:
        raise ValueError(f"topology={topology.name!r}: what fits is known from a compiled program; pip install 'jmeta[cuda]'")
    plans: dict[int, Plan] = {}

    def planned(size: int) -> Plan:
        if size not in plans:
            plans[size] = plan(build(size), topology)
        return plans[size]

    size = _guess(num_tasks, planned(num_tasks), planned(2 * num_tasks))
    while not planned(size).fits:
        if size % 2 or not _divides(build, size // 2, topology):
            return Fit(None, None, planned(size))
        size //= 2
    while size < LARGEST and planned(2 * size).fits:
        size *= 2
    return Fit(size, planned(size), plans.get(2 * size))


def _guess(size: int, one: Plan, two: Plan) -> int:
    """Returns the largest double of a number of tasks that should fit if memory grows linearly as from ``one`` to ``two``."""
    if one.memory is None or two.memory is None:
        return size
    each = max((two.memory.total - one.memory.total) / size, 1.0)
    room = size + (one.has_bytes - one.memory.total) / each
    while 2 * size <= min(room, LARGEST):
        size *= 2
    return size


def _divides(build: Callable[[int], OuterLearner], size: int, topology: Topology) -> bool:
    try:
        build(size).check_devices(topology.num_devices)
    except ValueError:
        return False
    return True
