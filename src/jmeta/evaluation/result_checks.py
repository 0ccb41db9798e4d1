"""Checks of what an evaluation returns: that it fits into memory, and that every number in it means something."""

import numpy as np

from jmeta.inner.base import InnerLearner
from jmeta.tasks.base import TaskDistribution
from jmeta.training.memory import GIB, host_memory
from jmeta.types import Protocol


def check_results(tasks: TaskDistribution, protocol: Protocol, num_tasks: int) -> None:
    """Raises ValueError if the returns of all tasks do not fit into memory."""
    num_episodes = protocol.num_segments * (protocol.segment_length // tasks.horizon)
    need = 4 * num_tasks * (2 * num_episodes + 2 * protocol.num_segments)  # float32
    if need > host_memory():
        raise ValueError(
            f"the returns of {num_tasks:,} tasks with {num_episodes:,} episodes each need {need / GIB:.1f} GiB, and there are "
            f"{host_memory() / GIB:.1f} GiB: evaluate on fewer tasks, or with fewer segments"
        )


def check_decisions(inner: InnerLearner, undefined: np.ndarray) -> None:
    """Raises FloatingPointError if decisions were NaN, by task and segment [N, K]."""
    wrong = np.asarray(undefined.any(1))
    if wrong.any():
        task = int(wrong.argmax())
        segment = int(undefined[task].argmax())
        cause = "adapting made its weights NaN; use smaller inner rates" if segment else "its weights are too large"
        raise FloatingPointError(
            f"in {wrong.sum()} of {len(wrong)} tasks the decisions of this {type(inner).__name__} are NaN, in task {task} from "
            f"segment {segment} on: {cause}"
        )


def check_episodes(tasks: TaskDistribution, protocol: Protocol, completed: np.ndarray) -> None:
    """Raises ValueError unless every stream completed the episodes that are reported, given the fewest of each task [N]."""
    quota = protocol.segment_length // tasks.horizon
    short = completed < quota
    if short.any():
        raise ValueError(
            f"in {short.sum()} of {len(short)} tasks of {type(tasks).__name__} a stream completed {completed.min()} of {quota} "
            f"episodes in a segment of {protocol.segment_length} steps: they last longer than its horizon, {tasks.horizon}, so "
            "there is no return to report; set the horizon, max_steps_in_episode of default_params, to the longest episode"
        )
