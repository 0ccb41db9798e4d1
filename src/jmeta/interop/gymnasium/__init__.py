"""jmeta and Gymnasium: jmeta's tasks as Gymnasium environments, and scores of agents in any Gymnasium environment.

Importing this package registers every task family: ``gymnasium.make("jmeta/GridNavi-v0")`` makes one environment, and
``gymnasium.make_vec("jmeta/GridNavi-v0", num_envs=64)`` a vector environment that is one compiled program.
``gymnasium.make("jmeta.interop.gymnasium:jmeta/GridNavi-v0")`` imports the package first. Keyword arguments are the settings of
the family and those of ``TaskEnv`` or ``TaskVectorEnv``, which also take a task family of your own.
"""

import importlib
from typing import TYPE_CHECKING, Any

from jmeta.interop.gymnasium.evaluation import evaluate
from jmeta.interop.gymnasium.installed import is_installed
from jmeta.interop.gymnasium.space_checks import check_spaces
from jmeta.interop.gymnasium.varied_tasks import MakeEnv, varied

if TYPE_CHECKING:
    from jmeta.interop.gymnasium.task_env import TaskEnv
    from jmeta.interop.gymnasium.task_vector_env import TaskVectorEnv

__all__ = ["MakeEnv", "TaskEnv", "TaskVectorEnv", "check_spaces", "evaluate", "varied"]

_NEED_GYMNASIUM = {"TaskEnv": "task_env", "TaskVectorEnv": "task_vector_env"}


def __getattr__(name: str) -> Any:
    if name in _NEED_GYMNASIUM:
        return getattr(importlib.import_module(f"{__name__}.{_NEED_GYMNASIUM[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if is_installed():
    from jmeta.interop.gymnasium.families import register_families

    register_families()
