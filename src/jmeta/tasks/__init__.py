"""Task distributions, one family per file.

``TASKS`` is what the command line offers; each is a class whose fields are its settings.
"""

from jmeta.tasks.base import Reference, TaskDistribution, Transition
from jmeta.tasks.bernoulli_bandit import BernoulliBandit
from jmeta.tasks.dark_room import DarkKeyToDoor, DarkRoom
from jmeta.tasks.dependent_bandit import DependentBandit, TwoTaskBandit
from jmeta.tasks.enumerated_actions import EnumeratedActions
from jmeta.tasks.gaussian_bandit import GaussianBandit
from jmeta.tasks.grid_navi import GridNavi
from jmeta.tasks.gymnax import GymnaxTasks
from jmeta.tasks.gymnax_meta import GymnaxBernoulliBandit, GymnaxGaussianBandit, GymnaxMetaMaze, GymnaxPointRobot
from jmeta.tasks.minatar import MinAtar
from jmeta.tasks.physics import Acrobot, CartPole, MountainCar, MountainCarContinuous, Pendulum, Reacher
from jmeta.tasks.point_navigation import PointNavigation
from jmeta.tasks.sparse_point_navigation import SparsePointNavigation
from jmeta.tasks.splits import Split
from jmeta.tasks.switching import Switching
from jmeta.tasks.tabular_mdp import TabularMDP
from jmeta.tasks.told import ToldTasks

TASKS: dict[str, type[TaskDistribution]] = {
    task.name: task
    for task in (
        Acrobot,
        BernoulliBandit,
        CartPole,
        DarkKeyToDoor,
        DarkRoom,
        DependentBandit,
        GaussianBandit,
        GridNavi,
        GymnaxBernoulliBandit,
        GymnaxGaussianBandit,
        GymnaxMetaMaze,
        GymnaxPointRobot,
        GymnaxTasks,
        MinAtar,
        MountainCar,
        MountainCarContinuous,
        Pendulum,
        PointNavigation,
        Reacher,
        SparsePointNavigation,
        TabularMDP,
        TwoTaskBandit,
    )
}
"""Task families by name, as the command line has them."""

__all__ = [
    "TASKS",
    "Acrobot",
    "BernoulliBandit",
    "CartPole",
    "DarkKeyToDoor",
    "DarkRoom",
    "DependentBandit",
    "EnumeratedActions",
    "GaussianBandit",
    "GridNavi",
    "GymnaxBernoulliBandit",
    "GymnaxGaussianBandit",
    "GymnaxMetaMaze",
    "GymnaxPointRobot",
    "GymnaxTasks",
    "MinAtar",
    "MountainCar",
    "MountainCarContinuous",
    "Pendulum",
    "PointNavigation",
    "Reacher",
    "Reference",
    "SparsePointNavigation",
    "Split",
    "Switching",
    "TabularMDP",
    "TaskDistribution",
    "ToldTasks",
    "Transition",
    "TwoTaskBandit",
]
