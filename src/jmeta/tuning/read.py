"""Reads a tuning from a specification: builds the learner of each trial."""

import dataclasses
from pathlib import Path
from typing import Any, cast

from jmeta.comparison.spec.baselines import BASELINES
from jmeta.comparison.spec.files import parsed
from jmeta.comparison.spec.parse import check_names, explained
from jmeta.comparison.spec.schema import Spec, TaskTable, TuningTable, check_structure
from jmeta.comparison.spec.tables import Entry, cell, entries_of, family
from jmeta.keys import as_key
from jmeta.recipes import SCORES, Score
from jmeta.registry import nearest
from jmeta.tasks import TaskDistribution
from jmeta.tuning.plan import Search, Trial, Tuning, split_to_tune_on
from jmeta.tuning.space import read_space, sample


def read_tuning(file: Path) -> Tuning:
    """Returns the tuning that a TOML file describes, with all its learners built.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is not TOML, has no table ``tuning``, or anything in it is wrong.
    """
    return parsed(file, parse_tuning)


def parse_tuning(spec: dict[str, Any]) -> Tuning:
    """Returns the tuning that a specification describes.

    Raises:
      ValueError: as ``read_tuning``.
    """
    top = check_structure(spec)
    if top.tuning is None:
        raise ValueError(
            "there is no table [tuning]: give it env_steps, and a table [tuning.space.ALGORITHM] with the values that each "
            "setting may have, such as learning_rate = {low = 1e-4, high = 1e-2, log = true}"
        )
    table = top.tuning
    _check(table)
    check_names(top)
    for name in table.space:
        if name not in top.algorithms:
            raise ValueError(f"[tuning.space.{name}]: no table of algorithms is called {name!r}; {nearest(name, top.algorithms)}")
    families = {name: explained(f"[tasks.{name}]", family, each) for name, each in top.tasks.items()}
    searches = [search for name in table.space for search in _searches(name, top, table, families)]
    return Tuning(
        top.name,
        tuple(searches),
        table.num_settings,
        table.seeds,
        table.env_steps,
        table.num_rungs,
        table.reduction,
        table.num_tasks,
        cast(Score, table.score),
        table.seed,
        spec,
    )


def _check(table: TuningTable) -> None:
    for name, least in {"num_settings": 2, "seeds": 1, "env_steps": 1, "num_rungs": 1, "reduction": 2, "num_tasks": 1}.items():
        if getattr(table, name) < least:
            raise ValueError(f"[tuning]: {name}={getattr(table, name)}: give at least {least}")
    if table.score not in SCORES:
        raise ValueError(f"[tuning]: score={table.score!r}: choose from {', '.join(SCORES)}")
    for seed in (table.seed, table.seed + table.seeds - 1):
        as_key(seed)
    if not table.space:
        raise ValueError("[tuning]: there is no search space: give a table [tuning.space.ALGORITHM]")


def _searches(name: str, top: Spec, table: TuningTable, families: dict[str, TaskDistribution]) -> list[Search]:
    """Returns the searches of one algorithm, one for each task family."""
    by_task: dict[str, Entry] = explained(f"[algorithms.{name}]", entries_of, name, top.algorithms[name], families)
    where = f"[tuning.space.{name}]"
    return [_search(entry, task, families[task], top.tasks[task], _drawn(entry, table, where)) for task, entry in by_task.items()]


def _drawn(entry: Entry, table: TuningTable, where: str) -> tuple[dict[str, Any], ...]:
    """Returns the settings of each trial; the first are the table's own."""
    if entry.table.algorithm in BASELINES:
        raise ValueError(f"{where}: {entry.table.algorithm} is written by hand and not trained: there is nothing to tune")
    for key, values in entry.varied.items():
        raise ValueError(f"[algorithms.{entry.name}]: {key}={values} has several values: give it one, and the others in {where}")
    space = explained(where, read_space, entry.build, table.space[entry.name])
    drawn: list[dict[str, Any]] = [{}]
    own = {key: entry.fields[key] for key in space if key in entry.fields}
    for settings in sample(space, table.num_settings - 1, table.seed):
        if settings != own and settings not in drawn:
            drawn.append(settings)
    return tuple(drawn)


def _search(entry: Entry, name: str, tasks: TaskDistribution, task_table: TaskTable, drawn: tuple[dict[str, Any], ...]) -> Search:
    """Builds the learner of each trial."""
    task_table = task_table.model_copy(update={"split": split_to_tune_on(tasks)})
    trials = []
    for settings in drawn:
        try:
            made = cell(entry._replace(fields=entry.fields | settings), name, tasks, task_table)
        except ValueError as error:
            if not settings:
                raise
            trials.append(Trial(settings, None, str(error)))
        else:
            trials.append(Trial(settings, dataclasses.replace(made, outer_steps=None)))
    return Search(name, entry.name, tuple(trials))
