"""Reads the tables of a specification: builds task families, learners and their variants."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple, get_origin

from jmeta.comparison.budget import Budget
from jmeta.comparison.cell import Cell, HandWritten
from jmeta.comparison.spec.baselines import BASELINES, READ_OFF
from jmeta.comparison.spec.schema import AlgorithmTable, TaskTable
from jmeta.ranges import plain
from jmeta.registry import as_tuples, check_setting, checked_learner, find_algorithm, find_task, nearest, settings
from jmeta.tasks import TaskDistribution
from jmeta.training import Recipe
from jmeta.training.schema import fits, say_type
from jmeta.types import Protocol


class Entry(NamedTuple):
    """An algorithm's table, whose settings have been checked."""

    name: str
    table: AlgorithmTable
    build: Callable[..., Any]
    fields: dict[str, Any]
    varied: dict[str, list[Any]]


def family(table: TaskTable) -> TaskDistribution:
    """Returns the task family that a table describes."""
    return find_task(table.task)(**as_tuples(task_fields(table)))


def task_fields(table: TaskTable) -> dict[str, Any]:
    """Returns the settings of the task family in a table, after checking them."""
    annotations = {key: plain(parameter.annotation) for key, parameter in settings(find_task(table.task)).items()}
    fields = dict(table.model_extra or {})
    for key, value in fields.items():
        check_setting(key, value, annotations, TaskTable.model_fields)
        if isinstance(value, dict) and get_origin(annotations[key]) is tuple:
            fields[key] = list(value.items())
    return fields


def entries_of(name: str, table: AlgorithmTable, families: dict[str, TaskDistribution]) -> dict[str, Entry]:
    """Returns an algorithm's table in each task that it runs in, by name of the task."""
    if table.tasks == []:
        raise ValueError("tasks=[]: the algorithm runs in no task family; name one, or leave tasks out for all")
    for key, named in (("tasks", table.tasks or ()), ("by_task", table.by_task)):
        for task in named:
            if task not in families:
                raise ValueError(f"{key}: there is no [tasks.{task}]; {nearest(task, families)}")
    runs_in = list(families if table.tasks is None else table.tasks)
    for task in table.by_task:
        if task not in runs_in:
            raise ValueError(f"by_task: the algorithm does not run in {task}: add it to tasks, or leave out by_task.{task}")
    whole = _entry(name, table)
    return {task: _entry(name, table.in_task(task)) if task in table.by_task else whole for task in runs_in}


def _entry(name: str, table: AlgorithmTable) -> Entry:
    """Returns an algorithm's table, with the settings that have several values apart from the others."""
    build = _find(table.algorithm)
    if table.algorithm in BASELINES and (table.outer_steps is not None or table.adapted_by is not None):
        raise ValueError(f"{table.algorithm} is written by hand and not trained: leave out outer_steps and adapted_by")
    if table.outer_steps is not None:
        Budget(outer_steps=table.outer_steps)  # checks it
    parameters = settings(build)
    annotations = {k: plain(p.annotation) for k, p in parameters.items() if k not in ("observation_size", "action_space")}
    fields, varied = {}, {}
    for key, value in (table.model_extra or {}).items():
        annotation = annotations.get(key)
        if isinstance(value, list) and annotation is not None and not fits(tuple(value), annotation):
            if not (value and all(fits(item, annotation) for item in value)):
                raise ValueError(f"{key}={value!r} is not {say_type(annotation)}, nor a list of such values")
            if twice := [item for index, item in enumerate(value) if item in value[:index]]:
                raise ValueError(f"{key} has {twice[0]} twice: give each value once")
            varied[key] = value
        else:
            check_setting(key, value, annotations, AlgorithmTable.model_fields)
            fields[key] = value
    return Entry(name, table, build, fields, varied)


def recipe(entry: Entry, task_table: TaskTable) -> Recipe:
    """Returns the recipe of an algorithm in a task family: the names and settings of their two tables.

    Raises:
      ValueError: if the algorithm is written by hand, or a setting has several values.
    """
    if entry.table.algorithm in BASELINES:
        raise ValueError(f"{entry.table.algorithm} is written by hand and not trained: a recipe is of an algorithm that trains")
    for name, values in entry.varied.items():
        raise ValueError(f"{name}={values} has several values: a recipe has one, so give each value a table of its own")
    return Recipe(entry.table.algorithm, entry.fields, task_table.task, task_fields(task_table))


def _find(kind: str) -> Callable[..., Any]:
    """Returns the hand-written learner or the algorithm of that name."""
    if kind in BASELINES:
        return BASELINES[kind]
    try:
        return find_algorithm(kind)
    except ValueError as error:
        if ":" in kind:
            raise
        raise ValueError(f"{error}; or a hand-written learner: {nearest(kind, BASELINES)}") from error


def cell(entry: Entry, name: str, tasks: TaskDistribution, task_table: TaskTable) -> Cell:
    """Returns a cell with a variant for each combination of the values of the varied settings."""
    table = entry.table

    def learner(fields: dict[str, Any]) -> Any:
        if table.algorithm not in BASELINES:
            return checked_learner(entry.build(tasks, **as_tuples(fields)), table.algorithm)
        read_off = {key: READ_OFF[key](tasks) for key in settings(entry.build) if key in READ_OFF}
        inner = entry.build(**read_off | as_tuples(fields))
        return HandWritten(inner, tasks, Protocol(1, tasks.lifetime_length, 1))

    try:
        variants = {}
        for values in itertools.product(*entry.varied.values()):
            chosen = dict(zip(entry.varied, values, strict=True))
            variants[", ".join(f"{key}={value}" for key, value in chosen.items())] = learner(entry.fields | chosen)
        adapter = None
        if table.adapted_by is not None:
            adapter = checked_learner(find_algorithm(table.adapted_by)(tasks), table.adapted_by)
        usual = (adapter or next(iter(variants.values()))).protocol
        evaluation = table.evaluation.model_dump(exclude_none=True)
        return Cell(
            name,
            entry.name,
            table.algorithm,
            variants,
            evaluation=usual._replace(**evaluation) if evaluation else None,
            outer_steps=table.outer_steps,
            split=task_table.split,
            adapter=adapter,
            published=table.published,
        )
    except ValueError as error:
        remedy = "" if table.tasks else '; tasks = ["..."] in its table restricts an algorithm to some tasks'
        raise ValueError(f"[algorithms.{entry.name}] on [tasks.{name}]: {error}{remedy}") from error
