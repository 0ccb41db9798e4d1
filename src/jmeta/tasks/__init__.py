"""Task distributions, one family per file.

``TASKS`` is what the command line offers; each is a class whose fields are its settings.
"""

from jmeta.tasks.base import Reference, Split, TaskDistribution, Transition
from jmeta.tasks.bernoulli_bandit import BernoulliBandit, DependentBandit, TwoTaskBandit
from jmeta.tasks.dark_room import DarkKeyToDoor, DarkRoom
from jmeta.tasks.gaussian_bandit import GaussianBandit
from jmeta.tasks.grid_navi import GridNavi
from jmeta.tasks.gymnax import GymnaxTasks
from jmeta.tasks.point_navigation import PointNavigation, SparsePointNavigation
from jmeta.tasks.tabular_mdp import TabularMDP
from jmeta.tasks.told import ToldTasks

TASKS: dict[str, type[TaskDistribution]] = {
    task.name: task
    for task in (
        BernoulliBandit,
        DarkKeyToDoor,
        DarkRoom,
        DependentBandit,
        GaussianBandit,
        GridNavi,
        GymnaxTasks,
        PointNavigation,
        SparsePointNavigation,
        TabularMDP,
        TwoTaskBandit,
    )
}

__all__ = [
    "TASKS",
    "BernoulliBandit",
    "DarkKeyToDoor",
    "DarkRoom",
    "DependentBandit",
    "GaussianBandit",
    "GridNavi",
    "GymnaxTasks",
    "PointNavigation",
    "Reference",
    "SparsePointNavigation",
    "Split",
    "TabularMDP",
    "TaskDistribution",
    "ToldTasks",
    "Transition",
    "TwoTaskBandit",
]
