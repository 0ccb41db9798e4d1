"""Runs the bench, one algorithm in one task family after the other, and keeps the results small."""

import dataclasses
import json
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np

from benchmarks.bench.rows import FAILED
from jmeta.comparison import Budget, Comparison, Outcome, compare, find_spec, read_spec
from jmeta.comparison.learning import LEARNING_POINTS, LearningCurves
from jmeta.comparison.store import NOT_RUN

DATA = Path(__file__).parent / "data"
BUDGETS = {"steps": Budget(env_steps=1_000_000), "clock": Budget(wall_clock_seconds=45.0)}


def bench(budget: str, tasks: Collection[str] = ()) -> Comparison:
    """Returns the comparison on one of the budgets, in some task families or in all of them.

    Raises:
      ValueError: if there is no such budget or task family.
    """
    if budget not in BUDGETS:
        raise ValueError(f"budget={budget!r}: choose from {', '.join(BUDGETS)}")
    whole = dataclasses.replace(read_spec(find_spec(Path("bench"))), budget=BUDGETS[budget])
    known = {cell.task for cell in whole.cells}
    if unknown := [task for task in tasks if task not in known]:
        raise ValueError(f"the bench has no task family {unknown[0]!r}: choose from {', '.join(sorted(known))}")
    return dataclasses.replace(whole, cells=tuple(cell for cell in whole.cells if not tasks or cell.task in tasks))


def run(
    budget: str,
    data: Path = DATA,
    *,
    tasks: Collection[str] = (),
    algorithms: Collection[str] = (),
    say: Callable[[str], None] = print,
) -> Outcome:
    """Trains and scores what ``data`` does not hold, and thins the learning curves there; returns all results.

    The error of a cell that could not be run is kept in its ``failed.json`` until the cell is finished.
    """
    outcome = compare(bench(budget, tasks), data / budget, only=algorithms, say=say)
    for result in outcome.results:
        note_failure(data / budget / "cells" / result.cell.task / result.cell.algorithm / FAILED, result.error)
    for file in sorted((data / budget).glob("cells/*/*/learning.npz")):
        thin(file)
    return outcome


def note_failure(file: Path, error: str | None) -> None:
    """Writes the error of a cell to ``file``, or removes the file if the cell is finished; one that was not run keeps it."""
    if error is None:
        file.unlink(missing_ok=True)
    elif error != NOT_RUN:
        file.write_text(json.dumps({"error": error}) + "\n", "utf-8")


def thin(file: Path) -> None:
    """Reduces learning curves to the points that reports draw: the means of at most 100 parts of equal length."""
    with np.load(file) as arrays:
        curves = LearningCurves(**{field.name: arrays[field.name] for field in dataclasses.fields(LearningCurves)})
    if len(curves.env_steps) <= LEARNING_POINTS:
        return
    parts = np.array_split(np.arange(len(curves.env_steps)), LEARNING_POINTS)

    def means(values: np.ndarray) -> np.ndarray:
        return np.stack([values[..., part].mean(-1, dtype=np.float64) for part in parts], axis=-1).astype(np.float32)

    ends = curves.env_steps[[part[-1] for part in parts]]
    np.savez_compressed(file, return_before=means(curves.return_before), return_after=means(curves.return_after), env_steps=ends)
