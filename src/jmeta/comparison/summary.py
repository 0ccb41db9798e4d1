"""Numbers of a comparison: the content of ``results.json``, from which tables, plots and report are made.

A *score* is the mean return of an episode over the episodes of a lifetime, for one training on one test task. So learners whose
lifetimes differ in length can be compared. Known optima and random scores are means, so normalised scores and regrets are
computed from means. The interquartile mean is reported as well, since it is more robust.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from jmeta.comparison.experience import by_budget
from jmeta.comparison.learning import learning_curve
from jmeta.comparison.optima import experience_of, mean_of, optimum_of, own_optimum
from jmeta.comparison.plan import Comparison
from jmeta.comparison.rows import as_json, row_of, scores
from jmeta.comparison.store import NOT_RUN, CellResult, Outcome
from jmeta.evaluation import statistics

PROFILE_POINTS = 101


def summarise(outcome: Outcome) -> dict[str, Any]:
    """Returns every statistic of every variant in every task family.

    Args:
      outcome: what ``compare`` returned.

    Returns:
      ``{"name", "num_seeds", "budget", ..., "tasks": [...], "suite": [...]}``, ready for JSON; unknown values are None.
    """
    comparison = outcome.comparison
    families = list(dict.fromkeys(cell.task for cell in comparison.cells))
    tasks = [_family(comparison, name, [r for r in outcome.results if r.cell.task == name]) for name in families]
    return {
        "name": comparison.name,
        "num_seeds": comparison.num_seeds,
        "seed": comparison.seed,
        "budget": None if comparison.budget is None else dataclasses.asdict(comparison.budget),
        "outer_steps": {c.algorithm: c.outer_steps for c in comparison.cells if c.outer_steps is not None},
        "num_test_tasks": comparison.num_test_tasks,
        "interrupted_by": outcome.interrupted_by,
        "tasks": tasks,
        "suite": _suite(tasks),
    }


def _family(comparison: Comparison, name: str, results: Sequence[CellResult]) -> dict[str, Any]:
    """Returns the numbers of one task family: its reference points, and a row for each variant of each algorithm."""
    found = [(result, v) for result in results for v in range(len(result.cell.variants))]
    sound = {
        (result.cell.algorithm, v): scores(result.returns, v, result.info)
        for result, v in found
        if result.returns is not None and not any(result.info["variants"][v]["failures"])
    }
    random = mean_of(sound, [r.cell.algorithm for r in results if r.cell.kind == "random"])
    optimum = optimum_of(comparison, sound, results)
    scales: dict[tuple[str, int], tuple[float, float]] = {}
    for result, v in found:
        own = own_optimum(result, optimum) if (result.cell.algorithm, v) in sound else None
        if random is not None and own is not None and own > random:
            scales[result.cell.algorithm, v] = (random, own)
    profile_thresholds = None
    if scales:
        every = np.concatenate(
            [statistics.normalised(sound[row].ravel(), random=low, optimum=high) for row, (low, high) in scales.items()]
        )
        profile_thresholds = np.linspace(every.min(), every.max(), PROFILE_POINTS)
    told = {result.cell.algorithm for result in results if result.cell.kind == "oracle"}
    experience = {(result.cell.algorithm, v): experience_of(result.info) for result, v in found if result.info}

    def best_of(rows: Iterable[tuple[str, int]]) -> tuple[str, int] | None:
        return max((row for row in rows if row[0] not in told), key=lambda row: sound[row].mean(), default=None)

    best = best_of(sound)
    rows = []
    for result, v in found:
        row: dict[str, Any] = {"algorithm": result.cell.algorithm, "kind": result.cell.kind, **_label(result, v)}
        row["published"] = result.cell.published
        row["failed"] = _failure(result, v)
        row["ran"] = result.error != NOT_RUN
        row["learning"] = None
        if row["failed"] is None and result.returns is not None:
            key = (result.cell.algorithm, v)
            rival = best_of(other for other in sound if experience[other] == experience[key])
            against = None if rival is None or rival == key else sound[rival]
            own = own_optimum(result, optimum)
            row |= row_of(result.returns, v, result.info, sound[key], own, scales.get(key), against, profile_thresholds)
            row["learning"] = None if result.learning is None else learning_curve(result.learning, v)
        rows.append(row)
    infos = [result.info for result in results if result.info]
    lived = [row for row in rows if row["failed"] is None]
    return {
        "task": name,
        "num_test_tasks": comparison.num_test_tasks,
        "split": infos[0]["split"] if infos else None,
        "why_not_held_out": infos[0]["why_not_held_out"] if infos else None,
        "random": random,
        "optimum": optimum,
        "best": None
        if best is None
        else next(row["label"] for row, (r, v) in zip(rows, found, strict=True) if (r.cell.algorithm, v) == best),
        "by_budget": by_budget(lived, told, comparison.experience),
        "profile_thresholds": None if profile_thresholds is None else profile_thresholds.tolist(),
        "rows": rows,
    }


def _suite(tasks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns normalised scores over all task families, for the rows that have one in each of them."""
    labels = dict.fromkeys(row["label"] for task in tasks for row in task["rows"])
    suite = []
    for label in labels:
        rows = [(task, row) for task in tasks for row in task["rows"] if row["label"] == label]
        if len(rows) < len(tasks) or any(row.get("normalised") is None for _, row in rows):
            continue
        per_family = [
            statistics.normalised(np.asarray(row["seed_means"]), random=task["random"], optimum=row["optimum"])
            for task, row in rows
        ]
        whole = np.stack(per_family, axis=1)  # [S, families]
        suite.append(
            {
                "label": label,
                "iqm": as_json(statistics.stratified_interval(whole)),
                "mean": as_json(statistics.stratified_interval(whole, lambda x: float(x.mean()))),
            }
        )
    return suite


def _label(result: CellResult, v: int) -> dict[str, str]:
    variant = list(result.cell.variants)[v]
    return {"variant": variant, "label": f"{result.cell.algorithm} {variant}".strip()}


def _failure(result: CellResult, v: int) -> str | None:
    if result.error is not None:
        return result.error
    failures = result.info["variants"][v]["failures"]
    bad = [(seed, reason) for seed, reason in zip(result.info["seeds"], failures, strict=True) if reason]
    if not bad:
        return None
    return f"{len(bad)} of {len(failures)} seeds; seed {bad[0][0]}: {bad[0][1]}"
