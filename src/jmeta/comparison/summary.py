"""Numbers of a comparison: the content of ``results.json``, from which tables, plots and report are made.

A *score* is the mean return of an episode over the episodes of a lifetime, for one training on one test task. So learners whose
lifetimes differ in length can be compared. Known optima and random scores are means, so normalised scores and regrets are
computed from means. The interquartile mean is reported as well, since it is more robust.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from jmeta.comparison.learning import learning_curve
from jmeta.comparison.plan import Comparison
from jmeta.comparison.store import NOT_RUN, CellResult, Outcome, Returns
from jmeta.evaluation import statistics
from jmeta.evaluation.statistics import Estimate

PROFILE_POINTS = 101
WORST = (5, 20)  # percentiles over tasks


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
        "budget": {
            "env_steps": comparison.budget.env_steps,
            "wall_clock_seconds": comparison.budget.wall_clock_seconds,
        },
        "num_test_tasks": comparison.num_test_tasks,
        "interrupted_by": outcome.interrupted_by,
        "tasks": tasks,
        "suite": _suite(tasks),
    }


def scores(returns: Returns, variant: int, info: dict[str, Any]) -> np.ndarray:
    """Returns the scores [S, N] of a variant: the mean return of an episode.

    If the task's reference is the return of a lifetime, a score is the lifetime's return divided by its number of full-length
    episodes. So the two stay comparable if episodes end early and more of them fit in.
    """
    if (info["reference"] or {}).get("per") == "lifetime":
        return returns.lifetime_returns[variant].astype(float) / returns.episode_returns.shape[-1]
    return returns.episode_returns[variant].astype(float).mean(-1)


def _family(comparison: Comparison, name: str, results: Sequence[CellResult]) -> dict[str, Any]:
    """Returns the numbers of one task family: its reference points, and a row for each variant of each algorithm."""
    found = [(result, v) for result in results for v in range(len(result.cell.variants))]
    sound = {
        (result.cell.algorithm, v): scores(result.returns, v, result.info)
        for result, v in found
        if result.returns is not None and not any(result.info["variants"][v]["failures"])
    }
    random = _mean_of(sound, [r.cell.algorithm for r in results if r.cell.kind == "random"])
    optimum = _optimum(comparison, sound, results)
    scales: dict[tuple[str, int], tuple[float, float]] = {}
    for result, v in found:
        own = _own_optimum(result, optimum) if (result.cell.algorithm, v) in sound else None
        if random is not None and own is not None and own > random:
            scales[result.cell.algorithm, v] = (random, own)
    profile_thresholds = None
    if scales:
        every = np.concatenate(
            [statistics.normalised(sound[row].ravel(), random=low, optimum=high) for row, (low, high) in scales.items()]
        )
        profile_thresholds = np.linspace(every.min(), every.max(), PROFILE_POINTS)
    told = {result.cell.algorithm for result in results if result.cell.kind == "oracle"}
    experience = {(result.cell.algorithm, v): _experience(result.info) for result, v in found if result.info}

    def best_of(rows: Iterable[tuple[str, int]]) -> tuple[str, int] | None:
        return max((row for row in rows if row[0] not in told), key=lambda row: sound[row].mean(), default=None)

    best = best_of(sound)
    rows = []
    for result, v in found:
        row: dict[str, Any] = {"algorithm": result.cell.algorithm, "kind": result.cell.kind, **_label(result, v)}
        row["failed"] = _failure(result, v)
        row["ran"] = result.error != NOT_RUN
        row["learning"] = None
        if row["failed"] is None and result.returns is not None:
            key = (result.cell.algorithm, v)
            rival = best_of(other for other in sound if experience[other] == experience[key])
            against = None if rival is None or rival == key else sound[rival]
            own = _own_optimum(result, optimum)
            row |= _row(result.returns, v, result.info, sound[key], own, scales.get(key), against, profile_thresholds)
            row["learning"] = None if result.learning is None else learning_curve(result.learning, v)
        rows.append(row)
    infos = [result.info for result in results if result.info]
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
        "profile_thresholds": None if profile_thresholds is None else profile_thresholds.tolist(),
        "rows": rows,
    }


def _row(
    returns: Returns,
    v: int,
    info: dict[str, Any],
    ours: np.ndarray,
    optimum: float | None,
    scale: tuple[float, float] | None,
    best: np.ndarray | None,
    profile_thresholds: np.ndarray | None,
) -> dict[str, Any]:
    episodes = returns.episode_returns[v].astype(float)  # [S, N, E]
    env_steps = returns.episode_env_steps[v].mean(0).astype(float)
    means = statistics.mean_interval(
        np.concatenate(
            [
                np.stack([ours, returns.lifetime_returns[v]], axis=-1),
                np.stack([statistics.zero_shot(episodes), statistics.final_performance(episodes)], axis=-1),
                episodes,
            ],
            axis=-1,
        )
    )
    mean, lifetime, zero_shot, final = (Estimate(*(np.asarray(x)[i] for x in means)) for i in range(4))
    curve = Estimate(*(np.asarray(x)[4:] for x in means))
    length = statistics.adaptation_length(
        np.asarray(curve.value),
        env_steps,
        scale=None if scale is None else scale[1] - scale[0],
        noise=np.nan_to_num((np.asarray(curve.high) - np.asarray(curve.low)) / 2),
    )
    row: dict[str, Any] = {
        "num_seeds": len(ours),
        "protocol": info["protocol"],
        "iqm": _json(statistics.interval(statistics.interquartile_mean, ours)),
        "mean": _json(mean),
        "seed_means": ours.mean(1).tolist(),
        "lifetime": _json(lifetime),
        "zero_shot": _json(zero_shot),
        "final": _json(final),
        "adaptation_length": None if math.isnan(length) else length,
        "worst": {str(p): statistics.task_percentile(ours, p) for p in WORST},
        "optimum": optimum,
        "normalised": None,
        "regret": None,
        "profile": None,
        "difference_to_best": None,
        "probability_of_beating_best": None,
        "curve": {"env_steps": env_steps.tolist()} | _json(curve),
        "outer_steps": info["outer_steps"],
        "env_steps": info["env_steps"],
        "train_seconds": info["train_seconds"],
        "compile_seconds": info["compile_seconds"],
    }
    if optimum is not None:
        row["regret"] = _json(Estimate(*(statistics.regret(np.asarray(x), optimum) for x in (mean[0], mean[2], mean[1]))))
    if scale is not None and profile_thresholds is not None:
        of = {"random": scale[0], "optimum": scale[1]}
        row["normalised"] = _json(Estimate(*(statistics.normalised(np.asarray(x), **of) for x in mean)))
        row["profile"] = statistics.performance_profile(statistics.normalised(ours, **of), profile_thresholds).tolist()
    if best is not None:
        row["difference_to_best"] = _json(statistics.paired_difference(ours, best))
        row["probability_of_beating_best"] = statistics.probability_of_improvement(ours, best)
    return row


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
                "iqm": _json(statistics.stratified_interval(whole)),
                "mean": _json(statistics.stratified_interval(whole, lambda x: float(x.mean()))),
            }
        )
    return suite


def _optimum(
    comparison: Comparison, sound: dict[tuple[str, int], np.ndarray], results: Sequence[CellResult]
) -> dict[str, Any] | None:
    """Returns the best known mean score per episode: the reference of the task, or the score of the chosen algorithm.

    If the reference depends on the length of a lifetime, the lifetime of the random policy counts, of the task's default length.
    """
    for result in sorted(results, key=lambda result: result.cell.kind != "random"):
        value = _own_optimum(result, None)
        if value is not None:
            reference, (num_steps, _) = result.info["reference"], _experience(result.info)
            after = f" of {num_steps} steps" if reference["per"] == "lifetime" else ""
            return {"label": f"{reference['label']}{after}", "value": value}
    value = _mean_of(sound, [comparison.reference])
    return None if value is None else {"label": f"{comparison.reference}, learned", "value": value}


def _own_optimum(result: CellResult, other: dict[str, Any] | None) -> float | None:
    """Returns the optimum per episode for the same experience; ``other``'s value where the task itself has no reference.

    A reference for a lifetime is that of an agent that learns the task from one stream of that length. It does not apply to
    several streams, which give more information, nor to an oracle, which is told the task. The optimum is then None.
    """
    info = result.info
    reference = info.get("reference")
    if reference is None:
        return None if other is None else other["value"]
    if reference["per"] == "lifetime" and (info["protocol"]["num_streams"] > 1 or result.cell.kind == "oracle"):
        return None
    return reference["value"] / _episodes(info, reference["per"])


def _experience(info: dict[str, Any]) -> tuple[int, int]:
    """Returns the environment steps of a stream in a lifetime, and the number of streams."""
    protocol = info["protocol"]
    return protocol["num_segments"] * protocol["segment_length"], protocol["num_streams"]


def _mean_of(sound: dict[tuple[str, int], np.ndarray], names: Sequence[str | None]) -> float | None:
    """Returns the mean score of the best variant of the first of these algorithms; None without one."""
    means = [float(values.mean()) for (algorithm, _), values in sound.items() if algorithm in names[:1]]
    return max(means, default=None)


def _episodes(info: dict[str, Any], per: str) -> int:
    """Returns the number of full-length episodes in a lifetime or in an episode."""
    return info["protocol"]["num_segments"] * (info["protocol"]["segment_length"] // info["horizon"]) if per == "lifetime" else 1


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


def _json(estimate: Estimate) -> dict[str, Any]:
    """Returns {"value", "low", "high"}, with None for NaN."""

    def plain(x: np.ndarray | float) -> Any:
        listed = np.asarray(x, float).tolist()
        if isinstance(listed, list):
            return [None if math.isnan(item) else item for item in listed]
        return None if math.isnan(listed) else listed

    return {name: plain(x) for name, x in estimate._asdict().items()}
