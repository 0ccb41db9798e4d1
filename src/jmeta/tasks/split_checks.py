"""The check that the splits of a task family have no task in common."""

import warnings

from jmeta.tasks.base import TaskDistribution
from jmeta.tasks.sampled_tasks import SAMPLED_TASKS, distinct, rows_of, sampled_tasks

FEW = 100  # with at most so many distinct tasks among 512 samples, tasks are taken to be a small discrete set


def check_splits(tasks: TaskDistribution) -> None:
    """Raises ValueError on the held-out split if its tasks are also training tasks; on other splits it only warns.

    Raises ValueError too if ``sample`` draws the training tasks on the out-of-distribution split; and, on the validation split,
    if its tasks are those of another. A distribution with a single task is not checked.
    """
    if tasks.has_out_of_distribution and (seen := _num_shared(tasks.out_of_distribution, tasks.train)):
        raise ValueError(
            f"{seen} of {SAMPLED_TASKS} sampled out-of-distribution tasks of {type(tasks).__name__} are also drawn for "
            'training: let sample draw others where self.split == "ood", or leave out has_out_of_distribution'
        )
    if not tasks.has_held_out or (different := distinct(sampled_tasks(tasks.train))) == 1:
        return
    by_uniform = "draw whatever differs between tasks through self.uniform(key, shape), not through jax.random"
    if tasks.split == "validation":
        for other, what in ((tasks.train, "for training"), (tasks.held_out, "as held-out tasks")):
            if seen := _num_shared(tasks, other):
                raise ValueError(
                    f"{seen} of {SAMPLED_TASKS} sampled validation tasks of {type(tasks).__name__} are also drawn {what}: "
                    f'{by_uniform}, or draw others where self.split == "validation", or say that there are none, by a property '
                    "`has_validation` that returns False"
                )
    if not (seen := _num_shared(tasks.held_out, tasks.train)):
        return
    drawn = f"{seen} of {SAMPLED_TASKS} sampled held-out tasks of {type(tasks).__name__} are also drawn for training"
    none_out = "by a property `has_held_out` that returns False, and evaluate on the training split"
    if different <= FEW:
        message = (
            f"{drawn}, since there are only {different} different ones: say that there are too few to hold any out, {none_out}. "
            f"If there are more, {by_uniform}"
        )
    else:
        message = f"{drawn}: {by_uniform}. If there are no tasks to hold out, say so {none_out}"
    if tasks.split == "held-out":
        raise ValueError(message)
    warnings.warn(message, stacklevel=2)


def _num_shared(tasks: TaskDistribution, others: TaskDistribution) -> int:
    """Returns how many sampled tasks of a distribution are also among those of another."""
    known = set(rows_of(sampled_tasks(others)))
    return sum(row in known for row in rows_of(sampled_tasks(tasks)))
