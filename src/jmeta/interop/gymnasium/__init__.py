"""jmeta and Gymnasium: jmeta's tasks as Gymnasium environments, and scores of agents in any Gymnasium environment.

Importing this package registers every task family: ``gymnasium.make("jmeta/GridNavi-v0")`` makes one environment, and
``gymnasium.make_vec("jmeta/GridNavi-v0", num_envs=64)`` a vector environment that is one compiled program.
``gymnasium.make("jmeta.interop.gymnasium:jmeta/GridNavi-v0")`` imports the package first. Keyword arguments are the settings of
the family and those of ``TaskEnv`` or ``TaskVectorEnv``. These two also take a task family of your own.
"""

from jmeta.interop.gymnasium.evaluation import evaluate
from jmeta.interop.gymnasium.families import register_families
from jmeta.interop.gymnasium.space_checks import check_spaces
from jmeta.interop.gymnasium.task_env import TaskEnv
from jmeta.interop.gymnasium.task_vector_env import TaskVectorEnv
from jmeta.interop.gymnasium.varied_tasks import MakeEnv, varied

__all__ = ["MakeEnv", "TaskEnv", "TaskVectorEnv", "check_spaces", "evaluate", "register_families", "varied"]

register_families()
