"""Builds a comparison from a specification."""

import re
from collections.abc import Callable
from typing import Any

from jmeta.comparison.budget import Budget
from jmeta.comparison.plan import Comparison
from jmeta.comparison.spec.schema import EXAMPLES, AlgorithmTable, check_structure
from jmeta.comparison.spec.tables import cell, entry_of, family
from jmeta.registry import nearest

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")  # names of tables become file names


def parse_spec(spec: dict[str, Any]) -> Comparison:
    """Returns the comparison that a specification describes; ``random`` is added to the algorithms if it is not among them.

    Raises:
      ValueError: as ``read_spec``.
    """
    top = check_structure(spec)
    for kind, tables in (("tasks", top.tasks), ("algorithms", top.algorithms)):
        if not tables:
            raise ValueError(f"there are no {kind}: give at least one table, as in {EXAMPLES[kind]}")
        for name in tables:
            if not NAME.fullmatch(name):
                raise ValueError(
                    f"[{kind}.{name}]: {name!r} becomes a file name: use letters, digits and _ . + -, with a letter, a "
                    "digit or _ first"
                )
    given = top.env_steps is not None or top.wall_clock_seconds is not None
    budget = Budget(top.env_steps, top.wall_clock_seconds) if given else None
    families = {name: _explained(f"[tasks.{name}]", family, table) for name, table in top.tasks.items()}
    entries = [_explained(f"[algorithms.{name}]", entry_of, name, table, families) for name, table in top.algorithms.items()]
    if not any(entry.table.algorithm == "random" for entry in entries):
        if "random" in top.algorithms:
            raise ValueError(
                '[algorithms.random] is not the algorithm "random", which scores are normalised by: rename the table'
            )
        entries.append(entry_of("random", AlgorithmTable(algorithm="random"), families))
    if top.reference is not None and top.reference not in (names := [entry.name for entry in entries]):
        raise ValueError(f"reference: no table of algorithms is called {top.reference!r}; {nearest(top.reference, names)}")
    cells = tuple(
        cell(entry, name, families[name], table)
        for name, table in top.tasks.items()
        for entry in entries
        if entry.table.tasks is None or name in entry.table.tasks
    )
    return Comparison(top.name, cells, top.seeds, budget, top.num_test_tasks, top.seed, top.reference)


def _explained(where: str, read: Callable[..., Any], *args: Any) -> Any:
    """Reads a table, and adds its name to a ValueError."""
    try:
        return read(*args)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
