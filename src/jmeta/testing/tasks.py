"""Checks of a task family of one's own: what would otherwise go wrong in training, or worse, without a word."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jmeta.cli.errors import is_message
from jmeta.registry import check_round_trip
from jmeta.tasks import TaskDistribution
from jmeta.tasks.checks import CHECKS, check_splits, check_tasks_are_data
from jmeta.tasks.sampled_tasks import distinct, sampled_tasks
from jmeta.testing.task_lives import check_lives
from jmeta.testing.task_purity import check_purity
from jmeta.testing.task_remarks import remarks_on
from jmeta.testing.task_report import TaskReport


def check_tasks(tasks: TaskDistribution | type[TaskDistribution]) -> TaskReport:
    """Looks for mistakes in a task family: spaces, limits, splits, settings, purity, determinism and finite numbers.

    It takes seconds: 512 tasks of each split are sampled, and a random policy lives ``min(horizon, 200)`` steps in 8 tasks. What
    can be seen without that is also looked at whenever a learner is built or evaluated.

    Args:
      tasks: the family, or its class, if its settings have defaults.

    Returns:
      A short report; print it.

    Raises:
      ValueError: with every mistake that was found, and for each what to do.
      Exception: what the family's own code raises, as it is.

    Example:
      >>> import jmeta
      >>> from jmeta.testing import check_tasks
      >>> check_tasks(jmeta.tasks.BernoulliBandit()).action_space
      Discrete(num_actions=5)
    """
    if not isinstance(tasks, TaskDistribution):
        if not (isinstance(tasks, type) and issubclass(tasks, TaskDistribution)):
            raise ValueError(f"{tasks!r} is not a TaskDistribution: subclass jmeta.tasks.TaskDistribution")
        tasks = tasks()
    tasks = tasks.train
    mistakes: list[str] = []
    _note(mistakes, check_tasks_are_data, tasks)
    for check in CHECKS if not mistakes else ():  # they look at tasks
        if check is not check_splits:
            _note(mistakes, check, tasks)
    if not mistakes:  # or else it can't be lived in
        for later in (_check_splits, check_purity, check_round_trip):
            _note(mistakes, later, tasks)
    lived: dict[str, np.ndarray] = {}
    if not mistakes:
        _note(mistakes, lambda tasks: lived.update(check_lives(tasks)), tasks)
    if mistakes:
        listed = mistakes[0] if len(mistakes) == 1 else "\n".join(f"  {i}. {text}" for i, text in enumerate(mistakes, 1))
        name = type(tasks).__name__
        alone = "" if name in listed else f"{name}: "
        raise ValueError((alone if len(mistakes) == 1 else f"{name} has {len(mistakes)} mistakes:\n") + listed)
    span = lambda values: (float(values.min()) + 0.0, float(values.max()) + 0.0)  # noqa: E731  # no -0
    return TaskReport(
        name=type(tasks).__name__,
        observation_size=tasks.observation_size,
        action_space=tasks.action_space,
        horizon=tasks.horizon,
        lifetime_length=tasks.lifetime_length,
        num_distinct={split.split: distinct(sampled_tasks(split)) for split in tasks._splits},
        observation_range=span(lived["observation"]),
        reward_range=span(lived["reward"]),
        remarks=tuple(remarks_on(tasks, lived)),
    )


def _note(mistakes: list[str], check: Callable[[TaskDistribution], Any], tasks: TaskDistribution) -> None:
    try:
        check(tasks)
    except ValueError as error:
        if not is_message(error):
            raise
        if str(error) not in mistakes:
            mistakes.append(str(error))


def _check_splits(tasks: TaskDistribution) -> None:
    if tasks.has_held_out:
        check_splits(tasks.held_out)
    if tasks.has_validation:
        check_splits(tasks.validation)
