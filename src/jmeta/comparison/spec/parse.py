"""Builds a comparison from a specification."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from jmeta.comparison.budget import Budget
from jmeta.comparison.plan import Comparison
from jmeta.comparison.spec.schema import EXAMPLES, AlgorithmTable, Spec, check_structure
from jmeta.comparison.spec.tables import cell, entries_of, family, recipe
from jmeta.registry import nearest
from jmeta.training import Recipe

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")  # names of tables become file names


def parse_spec(spec: dict[str, Any]) -> Comparison:
    """Returns the comparison that a specification describes; ``random`` is added to the algorithms if it is not among them.

    Raises:
      ValueError: as ``read_spec``.
    """
    top = check_structure(spec)
    check_names(top)
    families = {name: explained(f"[tasks.{name}]", family, table) for name, table in top.tasks.items()}
    tables = dict(top.algorithms)
    if not any(table.algorithm == "random" for table in tables.values()):
        if "random" in top.algorithms:
            raise ValueError(
                '[algorithms.random] is not the algorithm "random", which scores are normalised by: rename the table'
            )
        tables["random"] = AlgorithmTable(algorithm="random")
    if top.reference is not None and top.reference not in tables:
        raise ValueError(f"reference: no table of algorithms is called {top.reference!r}; {nearest(top.reference, tables)}")
    entries = [explained(f"[algorithms.{name}]", entries_of, name, table, families) for name, table in tables.items()]
    cells = tuple(
        cell(by_task[name], name, families[name], table)
        for name, table in top.tasks.items()
        for by_task in entries
        if name in by_task
    )
    experience = None if top.experience is None else tuple(top.experience)
    return Comparison(top.name, cells, top.seeds, _budget(top), top.num_test_tasks, top.seed, top.reference, experience)


def check_names(top: Spec) -> None:
    """Raises ValueError if there are no tasks or no algorithms, or one has a name that can't be that of a file."""
    for kind, tables in (("tasks", top.tasks), ("algorithms", top.algorithms)):
        if not tables:
            raise ValueError(f"there are no {kind}: give at least one table, as in {EXAMPLES[kind]}")
        for name in tables:
            if not NAME.fullmatch(name):
                raise ValueError(
                    f"[{kind}.{name}]: {name!r} becomes a file name: use letters, digits and _ . + -, with a letter, a "
                    "digit or _ first"
                )


class SpecCell(NamedTuple):
    """One algorithm in one task family of a specification.

    Attributes:
      comparison: the comparison of this cell alone.
      recipe: names and settings, from which ``jmeta.registry.build`` makes the cell's learner.
    """

    comparison: Comparison
    recipe: Recipe


def parse_cell(spec: dict[str, Any], task: str, algorithm: str) -> SpecCell:
    """Returns one cell of a specification; only its own tables are read, so no other learner is built.

    Args:
      spec: the specification.
      task: name of a table of tasks.
      algorithm: name of a table of algorithms, whose settings have one value each.

    Raises:
      ValueError: if there are no such tables, or anything in them is wrong.
    """
    top = check_structure(spec)
    for kind, name, tables in (("tasks", task, top.tasks), ("algorithms", algorithm, top.algorithms)):
        if name not in tables:
            raise ValueError(f"there is no [{kind}.{name}]; {nearest(name, tables)}")
    tasks = explained(f"[tasks.{task}]", family, top.tasks[task])
    named = dict.fromkeys(top.tasks, tasks)  # the tables that the algorithm's key `tasks` may name
    by_task = explained(f"[algorithms.{algorithm}]", entries_of, algorithm, top.algorithms[algorithm], named)
    if task not in by_task:
        raise ValueError(f"[algorithms.{algorithm}] does not run in {task}, only in {', '.join(by_task)}")
    entry = by_task[task]
    written = explained(f"[algorithms.{algorithm}]", recipe, entry, top.tasks[task])
    made = cell(entry, task, tasks, top.tasks[task])
    return SpecCell(Comparison(top.name, (made,), top.seeds, _budget(top), top.num_test_tasks, top.seed), written)


def _budget(top: Spec) -> Budget | None:
    """Returns the budget of all trainings, or None where each algorithm has its own."""
    given = top.env_steps is not None or top.wall_clock_seconds is not None
    return Budget(top.env_steps, top.wall_clock_seconds) if given else None


def explained(where: str, read: Callable[..., Any], *args: Any) -> Any:
    """Calls a function that reads a table, and adds the name of the table to its ValueError."""
    try:
        return read(*args)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
