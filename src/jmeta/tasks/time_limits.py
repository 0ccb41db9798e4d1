"""Time limits: the horizon of a distribution, whether it is the largest limit of any task, and whole episodes in a lifetime."""

from typing import TYPE_CHECKING

import jax
import numpy as np
from gymnax.environments.environment import Environment, EnvParams

from jmeta.tasks.constant import outside_of_traces
from jmeta.tasks.environment import name_of
from jmeta.tasks.sampled_tasks import sampled_tasks

if TYPE_CHECKING:
    from jmeta.tasks.base import TaskDistribution

NEARLY = 0.9  # share of the horizon that the longest sampled time limit must reach, where limits vary


def read_horizon(environment: Environment, family: str) -> int:
    """Returns ``max_steps_in_episode`` of an environment's default parameters.

    Raises:
      ValueError: if there is none, or it is only inherited from gymnax's parameters, where it is 1.
    """
    params = environment.default_params
    kind, limit = type(params), getattr(params, "max_steps_in_episode", None)
    if limit is None:
        raise ValueError(
            f"{kind.__name__}, the parameters of {name_of(environment)}, has no max_steps_in_episode: declare it as a "
            f"field, `max_steps_in_episode: int = 100`, or define the property `horizon` in {family}"
        )
    if int(limit) != limit:
        raise ValueError(f"{kind.__name__} has max_steps_in_episode={limit}: give a whole number of environment steps")
    declares = ("max_steps_in_episode" in vars(base).get("__annotations__", {}) for base in kind.__mro__)
    if int(limit) == 1 and isinstance(params, EnvParams) and sum(declares) == 1:
        raise ValueError(
            f"{kind.__name__}, the parameters of {name_of(environment)}, inherits max_steps_in_episode=1 from gymnax, "
            "so every episode would be a single step: declare it as a field, `max_steps_in_episode: int = 100`"
        )
    return int(limit)


def check_lifetime_length(tasks: "TaskDistribution") -> None:
    """Raises ValueError unless the default lifetime is a whole number of episodes."""
    length, horizon = tasks.lifetime_length, tasks.horizon
    is_whole = isinstance(length, int | np.integer) and not isinstance(length, bool)
    if horizon >= 1 and not (is_whole and length >= 1 and length % horizon == 0):
        raise ValueError(
            f"lifetime_length of {type(tasks).__name__} is {length}, which is no whole number of episodes of {horizon} steps: "
            "return self.horizon times the number of episodes"
        )


def check_time_limits(tasks: "TaskDistribution") -> None:
    """Raises ValueError unless the horizon is the largest time limit of any task.

    Evaluation and metrics count the first ``T // horizon`` episodes of T environment steps. Episodes of a task with a longer
    limit would be cut, and where all limits are shorter, some episodes would not be counted.
    """
    horizon, name = tasks.horizon, type(tasks).__name__
    if horizon < 1:
        raise ValueError(f"the horizon of {name} is {horizon}: an episode has at least 1 environment step")
    limits = []
    for split in tasks._splits:
        with outside_of_traces():
            limit = jax.vmap(split.time_limit)(sampled_tasks(split))
        if limit is not None:
            limits.append(np.asarray(limit))
    if not limits:
        return
    found = np.concatenate(limits)
    shortest, longest = found.min().item(), found.max().item()
    remedy = (
        f"set max_steps_in_episode={longest} in the environment's default_params, or define the property `horizon` of {name} as "
        "the largest limit of any task"
    )
    if shortest < 1:
        raise ValueError(f"{name} draws tasks with max_steps_in_episode={shortest}: an episode has at least 1 environment step")
    if longest > horizon:
        raise ValueError(
            f"{name} draws tasks with max_steps_in_episode={longest}, but its horizon, which comes from the environment's "
            f"default_params, is {horizon}: every episode would be cut after {horizon} steps. For longer episodes, {remedy}; for "
            "shorter ones, draw tasks with a smaller limit"
        )
    if longest < (horizon if shortest == longest else NEARLY * horizon):
        raise ValueError(
            f"{name} has a horizon of {horizon} steps, but of {len(found)} sampled tasks none has a max_steps_in_episode above "
            f"{longest}: evaluation would count fewer episodes than are lived. Then {remedy}"
        )
