"""Groups the trials of a search by program: those that differ in numbers only train together."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from jmeta.comparison import Cell, Variants
from jmeta.tuning.plan import Search


def grouped(search: Search, trials: Iterable[int]) -> tuple[tuple[Cell, ...], list[list[int]]]:
    """Returns cells, each of trials that differ in numbers only, and the trials of each cell."""
    groups: list[dict[int, Cell]] = []
    for trial in trials:
        cell = search.trials[trial].cell
        if cell is None:
            continue
        group = next((group for group in groups if _share_a_program({**group, trial: cell})), None)
        if group is None:
            groups.append({trial: cell})
        else:
            group[trial] = cell
    cells = [
        dataclasses.replace(next(iter(group.values())), algorithm=f"{search.algorithm}-{min(group)}", variants=_variants(group))
        for group in groups
    ]
    return tuple(cells), [list(group) for group in groups]


def _variants(group: dict[int, Cell]) -> dict[str, Any]:
    return {f"trial {trial}": cell.learner for trial, cell in group.items()}


def _share_a_program(group: dict[int, Cell]) -> bool:
    """Returns whether the learners of cells can be variants of one another."""
    try:
        Variants.of(_variants(group))
    except ValueError:
        return False
    return True
