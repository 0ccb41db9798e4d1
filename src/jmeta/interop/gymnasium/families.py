"""Registers jmeta's task families with Gymnasium, and makes their environments."""

from typing import Any

from gymnasium.envs.registration import register, registry

from jmeta.interop.gymnasium.options import on_split
from jmeta.interop.gymnasium.task_env import TaskEnv
from jmeta.interop.gymnasium.task_vector_env import TaskVectorEnv
from jmeta.registry import as_tuples, find_task
from jmeta.tasks import TASKS, TaskDistribution

ENTRY_POINT = __name__
OF_THE_ENVIRONMENT = ("task", "episodes_per_task", "render_mode", "autoreset_mode")


def register_families() -> None:
    """Registers ``jmeta/GridNavi-v0`` and so on, one for each task family, under the name of its class."""
    for name, family in TASKS.items():
        env_id = f"jmeta/{family.__name__}-v0"
        if env_id not in registry:
            register(
                env_id,
                entry_point=f"{ENTRY_POINT}:make_env",
                vector_entry_point=f"{ENTRY_POINT}:make_vector_env",
                kwargs={"family": name},
            )


def make_env(family: str, **settings: Any) -> TaskEnv:
    """Makes an environment of a task family, for ``gymnasium.make``.

    Args:
      family: name of the family, such as ``grid-navi``, or ``module:Class``.
      **settings: settings of the family, its ``split``, and those of ``TaskEnv``.
    """
    tasks, settings = _tasks_and_rest(family, settings)
    return TaskEnv(tasks, **settings)


def make_vector_env(family: str, num_envs: int = 1, **settings: Any) -> TaskVectorEnv:
    """Makes a vector environment of a task family, for ``gymnasium.make_vec``.

    Args:
      family: name of the family, such as ``grid-navi``, or ``module:Class``.
      num_envs: number of sub-environments.
      **settings: settings of the family, its ``split``, and those of ``TaskVectorEnv``.
    """
    tasks, settings = _tasks_and_rest(family, settings)
    return TaskVectorEnv(tasks, num_envs, **settings)


make_env.metadata = {"render_modes": ["rgb_array"]}  # type: ignore[attr-defined]  # gymnasium.make adds wrappers for other modes


def _tasks_and_rest(family: str, settings: dict[str, Any]) -> tuple[TaskDistribution, dict[str, Any]]:
    """Returns the family with its settings, and the settings of the environment."""
    rest = {name: settings.pop(name) for name in OF_THE_ENVIRONMENT if name in settings}
    split = settings.pop("split", "train")
    return on_split(find_task(family)(**as_tuples(settings)), split), rest
