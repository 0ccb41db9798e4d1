"""Task distributions, one family per file.

``TASKS`` is what the command line offers; each is a class whose fields are its settings.
"""

from jmeta.tasks.base import Reference, Split, TaskDistribution, Transition
from jmeta.tasks.bernoulli_bandit import BernoulliBandit
from jmeta.tasks.gymnax import GymnaxTasks
from jmeta.tasks.point_navigation import PointNavigation, SparsePointNavigation
from jmeta.tasks.told import ToldTasks

TASKS: dict[str, type[TaskDistribution]] = {
    task.name: task for task in (BernoulliBandit, GymnaxTasks, PointNavigation, SparsePointNavigation)
}

__all__ = [
    "TASKS",
    "BernoulliBandit",
    "GymnaxTasks",
    "PointNavigation",
    "Reference",
    "SparsePointNavigation",
    "Split",
    "TaskDistribution",
    "ToldTasks",
    "Transition",
]
