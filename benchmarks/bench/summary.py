"""The numbers that the pages of the bench show: ``data/summary.json``, made from the files of all cells.

    {"num_seeds": 5, "budgets": {"steps": {"env_steps": ...}, ...}, "scales": {FAMILY: {...}}, "known": {FAMILY: {...}},
     "results": {BUDGET: {FAMILY: {"num_test_tasks", "split", ..., "rows": {ALGORITHM: {...}}, "experience": {...}}}}}

Only what has been run is in it. No learner is built to make it, and none to read it.
"""

import dataclasses
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from benchmarks.bench.known import known_scores
from benchmarks.bench.rows import FAILED, row_of
from benchmarks.bench.run import BUDGETS, DATA
from benchmarks.bench.scale import add_normalised, scale_of
from jmeta.comparison import find_spec
from jmeta.comparison.cell import Cell
from jmeta.comparison.experience import by_budget
from jmeta.comparison.spec.schema import Spec, check_structure
from jmeta.comparison.store import NOT_RUN, Store
from jmeta.training.files import replace_file

Summary = dict[str, Any]
DIGITS = 5


@dataclasses.dataclass(frozen=True)
class Name:
    """A cell by its name, in place of one with a learner."""

    task: str
    algorithm: str
    kind: str


def read_tables() -> Spec:
    """Returns the tables of the bench's specification, without building its learners."""
    return check_structure(tomllib.loads(find_spec(Path("bench")).read_text("utf-8")))


def runs_in(spec: Spec, algorithm: str) -> list[str]:
    """Returns the task families in which an algorithm runs."""
    tasks = spec.algorithms[algorithm].tasks
    return list(spec.tasks) if tasks is None else tasks


def summarise(data: Path, spec: Spec, known: dict[str, dict[str, Any]]) -> Summary:
    """Returns the numbers of all cells that are in ``data``.

    Args:
      data: the directory that ``run`` writes to.
      spec: the tables of the bench.
      known: what ``known_scores`` returned.
    """
    results = {budget: {task: _family(data / budget / "cells" / task, task, spec) for task in spec.tasks} for budget in BUDGETS}
    results = {budget: {task: each for task, each in families.items() if each["rows"]} for budget, families in results.items()}
    scales = {task: scale_of([each[task] for each in results.values() if task in each], known.get(task)) for task in spec.tasks}
    for families in results.values():
        for task, each in families.items():
            for row in each["rows"].values():
                add_normalised(row, scales[task])
    return cast(Summary, _rounded(_nothing(spec) | {"scales": scales, "known": known, "results": results}))


def write_summary(data: Path = DATA) -> None:
    """Writes ``summary.json`` of all cells in ``data``."""
    spec = read_tables()
    content = json.dumps(summarise(data, spec, known_scores(spec)), allow_nan=False, separators=(",", ":"))
    lines = content.replace('},"', '},\n"')  # a change of one cell changes few lines
    replace_file(data / "summary.json", f"{lines}\n".encode())


def read_summary(data: Path = DATA) -> Summary:
    """Returns the content of ``summary.json``, or that of a bench of which nothing has been run."""
    file = data / "summary.json"
    if file.is_file():
        return cast(Summary, json.loads(file.read_text("utf-8")))
    return _nothing(read_tables())


def _nothing(spec: Spec) -> Summary:
    """Returns the summary of a bench of which nothing has been run."""
    budgets = {name: {k: v for k, v in dataclasses.asdict(budget).items() if v is not None} for name, budget in BUDGETS.items()}
    return {"num_seeds": spec.seeds, "budgets": budgets, "scales": {}, "known": {}, "results": {}}


def _family(path: Path, task: str, spec: Spec) -> dict[str, Any]:
    """Returns the rows of one task family on one budget, by algorithm, and what all of them have in common."""
    rows: dict[str, dict[str, Any]] = {}
    curves: list[dict[str, Any]] = []
    common: dict[str, Any] = {"devices": []}
    for algorithm in spec.algorithms:
        store = Store(path / algorithm)
        if (store.path / FAILED).is_file() and not store.finished:
            rows[algorithm] = {"failed": json.loads((store.path / FAILED).read_text("utf-8"))["error"]}
        elif store.finished:
            result = store.load(cast(Cell, Name(task, algorithm, spec.algorithms[algorithm].algorithm)), NOT_RUN)
            rows[algorithm], curve = row_of(result)
            curves += [] if curve is None else [curve]
            common |= {name: result.info[name] for name in ("num_test_tasks", "split", "why_not_held_out")}
            common["devices"] = sorted({*common["devices"], result.info["device"]})
    told = {name for name, table in spec.algorithms.items() if table.algorithm == "oracle"}
    return {**common, "rows": rows, "experience": by_budget(curves, told, _experience(spec))}


def _experience(spec: Spec) -> Sequence[int]:
    return spec.experience or (0,)


def _rounded(thing: Any) -> Any:
    """Returns numbers with five digits, so that the file stays small."""
    if isinstance(thing, dict):
        return {key: _rounded(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [_rounded(value) for value in thing]
    return float(f"{thing:.{DIGITS}g}") if isinstance(thing, float) else thing


if __name__ == "__main__":
    write_summary()
