"""A row of the bench: the statistics of one cell."""

from typing import Any

import numpy as np

from jmeta.comparison.learning import learning_curve
from jmeta.comparison.optima import own_optimum
from jmeta.comparison.rows import as_json, scores
from jmeta.comparison.store import CellResult
from jmeta.evaluation import statistics
from jmeta.evaluation.statistics import Estimate

FAILED = "failed.json"
"""File of a cell whose program could not be run, with the error."""
WORST = (5, 20)  # per cent of the tasks
POINTS = 40  # of a curve, at most


def row_of(result: CellResult) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Returns the statistics of a cell, and its whole adaptation curve; ``{"failed": why}`` and None if any seed failed."""
    info, returns = result.info, result.returns
    assert returns is not None
    failures = info["variants"][0]["failures"]
    bad = [(seed, why) for seed, why in zip(info["seeds"], failures, strict=True) if why]
    if bad:
        return {"failed": f"{len(bad)} of {len(failures)} seeds; seed {bad[0][0]}: {bad[0][1]}"}, None
    ours = scores(returns, 0, info)  # [S, N]
    episodes = returns.episode_returns[0].astype(float)  # [S, N, E]
    means = statistics.mean_interval(np.concatenate([ours[..., None], episodes], axis=-1))
    score = as_json(Estimate(*(np.asarray(each)[0] for each in means)))
    curve = as_json(Estimate(*(np.asarray(each)[1:] for each in means)))
    curve["env_steps"] = returns.episode_env_steps[0].mean(0).astype(float).tolist()
    learning = None if result.learning is None else learning_curve(result.learning, 0)
    row = {
        "score": score,
        "first": {name: curve[name][0] for name in ("value", "low", "high")},
        "last": {name: curve[name][-1] for name in ("value", "low", "high")},
        "seed_means": ours.mean(1).tolist(),
        "cvar": {str(percent): statistics.worst_tasks(ours, percent) for percent in WORST},
        "regressions": statistics.regressions(episodes[..., 0], statistics.final_performance(episodes)),
        "optimum": own_optimum(result, None) if (info["reference"] or {}).get("per") == "lifetime" else None,
        "curve": thinned(curve),
        "learning": None if learning is None else thinned(learning),
        "seeds": info["seeds"],
        **{name: info[name] for name in ("protocol", "outer_steps", "env_steps", "train_seconds", "compile_seconds")},
    }
    return row, {"algorithm": result.cell.algorithm, "label": result.cell.algorithm, "protocol": info["protocol"], "curve": curve}


def thinned(curve: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Returns at most ``POINTS`` points of a curve: the first, the last, and points at about equal distances between them."""
    length = len(curve["env_steps"])
    kept = np.unique(np.linspace(0, length - 1, min(length, POINTS)).round().astype(int)).tolist()
    return {name: [values[index] for index in kept] for name, values in curve.items()}
