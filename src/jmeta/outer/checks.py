"""Checks of what an outer learner is built from; each raises an error that names the value and the remedy."""

from typing import Any

import numpy as np

from jmeta.inner.base import InnerLearner
from jmeta.tasks import TASKS
from jmeta.tasks.base import TaskDistribution
from jmeta.tasks.checks import check_distribution
from jmeta.types import Protocol


def check_protocol(tasks: TaskDistribution, protocol: Protocol) -> None:
    """Raises ValueError unless segments are whole episodes, counts are positive and the tasks pass ``check_distribution``."""
    if not isinstance(protocol, Protocol):
        raise TypeError(f"protocol={protocol!r}: give a jmeta.Protocol(num_segments=..., segment_length=..., num_streams=...)")
    check_at_least_one(**protocol._asdict())
    check_distribution(tasks)
    length, horizon = protocol.segment_length, tasks.horizon
    if length % horizon:
        nearest = max(1, round(length / horizon)) * horizon
        raise ValueError(
            f"segment_length={length} is not a whole number of episodes of {horizon} steps ({type(tasks).__name__}), so the last "
            f"episode would be cut off: use {nearest}, or change the task's horizon"
        )


def check_tasks(tasks: Any) -> None:
    """Raises TypeError unless ``tasks`` is a task distribution."""
    if isinstance(tasks, TaskDistribution):
        return
    if isinstance(tasks, type) and issubclass(tasks, TaskDistribution):
        raise TypeError(f"tasks is the class {tasks.__name__}: give an instance of it, such as {tasks.__name__}()")
    if isinstance(tasks, str) and tasks in TASKS:
        raise TypeError(f"tasks is the name {tasks!r}: give the distribution itself, jmeta.tasks.{TASKS[tasks].__name__}()")
    raise TypeError(f"tasks={tasks!r:.100} is no task distribution: give one, such as jmeta.tasks.BernoulliBandit()")


def check_fit(inner: InnerLearner, tasks: TaskDistribution) -> None:
    """Raises ValueError unless the inner learner was built for the observations and actions of the tasks."""
    agent, family = type(inner).__name__, type(tasks).__name__
    remedy = "build it for these tasks, or use the tasks that it was built for, outer.tasks"
    if inner.action_space != tasks.action_space:
        raise ValueError(f"{agent} acts in {inner.action_space} but {family} takes {tasks.action_space}: {remedy}")
    if inner.observation_size != tasks.observation_size:
        raise ValueError(
            f"{agent} takes observations of size {inner.observation_size} but {family} gives {tasks.observation_size}: {remedy} "
            "(the observations of an oracle include the task)"
        )


def check_divides(name: str, number: int, share: int, over: str) -> None:
    """Raises ValueError unless ``number`` of something splits evenly into ``share`` parts."""
    if number < 1 or number % share:
        nearest = max(1, round(number / share)) * share
        raise ValueError(
            f"{name}={number} can't be split evenly over {over}: use {name}={nearest}, or fewer "
            f"{'devices or minibatches' if 'minibatch' in over else 'devices'}"
        )


def check_at_least_one(**numbers: int) -> None:
    """Raises ValueError unless each is a whole number of at least 1."""
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise ValueError(f"{name}={value!r}: it must be a whole number")
        if value < 1:
            raise ValueError(f"{name}={value}: it must be at least 1")


def below(name: str, size: int) -> str:
    """Returns the remedy to lower a setting of which memory depends, or nothing if it is at its minimum."""
    return f"{name} below {size}" if size > 1 else ""


def use_any(*remedies: str) -> str:
    """Returns the advice to apply any of the remedies that are not empty.

    Example:
      >>> use_any("chunk_length=10", below("microbatch_size", 1), "fewer than num_tasks=64")
      'use chunk_length=10, or fewer than num_tasks=64'
    """
    return f"use {', or '.join(filter(None, remedies))}"


def check_segment_weights(segment_weights: tuple[float, ...], protocol: Protocol, name: str = "segment_weights") -> None:
    """Raises ValueError unless there is a weight for each segment."""
    if len(segment_weights) != protocol.num_segments:
        raise ValueError(
            f"{name} has {len(segment_weights)} entries but num_segments is {protocol.num_segments}: give one weight per segment"
        )
