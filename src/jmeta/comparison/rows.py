"""A row of a comparison's results: the statistics of one variant of an algorithm in one task family."""

import math
from typing import Any

import numpy as np

from jmeta.comparison.store import Returns
from jmeta.evaluation import statistics
from jmeta.evaluation.statistics import Estimate

WORST = (5, 20)  # per cent of the tasks


def scores(returns: Returns, variant: int, info: dict[str, Any]) -> np.ndarray:
    """Returns the scores [S, N] of a variant: the mean return of an episode.

    If the task's reference is the return of a lifetime, a score is the lifetime's return divided by its number of full-length
    episodes. So the two stay comparable if episodes end early and more of them fit in.
    """
    if (info["reference"] or {}).get("per") == "lifetime":
        return returns.lifetime_returns[variant].astype(float) / returns.episode_returns.shape[-1]
    return returns.episode_returns[variant].astype(float).mean(-1)


def row_of(
    returns: Returns,
    v: int,
    info: dict[str, Any],
    ours: np.ndarray,
    optimum: float | None,
    scale: tuple[float, float] | None,
    best: np.ndarray | None,
    profile_thresholds: np.ndarray | None,
) -> dict[str, Any]:
    """Returns the statistics of a variant as JSON.

    Args:
      returns: raw returns of its cell.
      v: index of the variant.
      info: content of the cell's ``result.json``.
      ours: its scores [S, N].
      optimum: optimum per episode for the same experience, if it is known.
      scale: scores of random actions and of the optimum, by which scores are normalised, if both are known.
      best: scores of the best row with the same experience, if that is another one.
      profile_thresholds: normalised scores at which the performance profile is given.
    """
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
        "iqm": as_json(statistics.interval(statistics.interquartile_mean, ours)),
        "mean": as_json(mean),
        "seed_means": ours.mean(1).tolist(),
        "lifetime": as_json(lifetime),
        "zero_shot": as_json(zero_shot),
        "final": as_json(final),
        "adaptation_length": None if math.isnan(length) else length,
        "cvar": {str(percent): statistics.worst_tasks(ours, percent) for percent in WORST},
        "regressions": statistics.regressions(statistics.zero_shot(episodes), statistics.final_performance(episodes)),
        "optimum": optimum,
        "normalised": None,
        "regret": None,
        "profile": None,
        "difference_to_best": None,
        "probability_of_beating_best": None,
        "curve": {"env_steps": env_steps.tolist()} | as_json(curve),
        "trajectories": trajectories(returns, v, info["seeds"]),
        "outer_steps": info["outer_steps"],
        "env_steps": info["env_steps"],
        "train_seconds": info["train_seconds"],
        "compile_seconds": info["compile_seconds"],
    }
    if optimum is not None:
        row["regret"] = as_json(Estimate(*(statistics.regret(np.asarray(x), optimum) for x in (mean[0], mean[2], mean[1]))))
    if scale is not None and profile_thresholds is not None:
        of = {"random": scale[0], "optimum": scale[1]}
        row["normalised"] = as_json(Estimate(*(statistics.normalised(np.asarray(x), **of) for x in mean)))
        row["profile"] = statistics.performance_profile(statistics.normalised(ours, **of), profile_thresholds).tolist()
    if best is not None:
        row["difference_to_best"] = as_json(statistics.paired_difference(ours, best))
        row["probability_of_beating_best"] = statistics.probability_of_improvement(ours, best)
    return row


def trajectories(returns: Returns, v: int, seeds: list[int]) -> dict[str, Any] | None:
    """Returns the mean return of all episodes that end within each segment [K], and of each seed; None in earlier versions."""
    if returns.trajectory_returns is None:
        return None
    by_seed = returns.trajectory_returns[v].mean(1, dtype=np.float64)  # [S, K]
    return {
        "value": by_seed.mean(0).tolist(),
        "by_seed": {str(seed): segments.tolist() for seed, segments in zip(seeds, by_seed, strict=True)},
    }


def as_json(estimate: Estimate) -> dict[str, Any]:
    """Returns {"value", "low", "high"}, with None for NaN."""

    def plain(x: np.ndarray | float) -> Any:
        listed = np.asarray(x, float).tolist()
        if isinstance(listed, list):
            return [None if math.isnan(item) else item for item in listed]
        return None if math.isnan(listed) else listed

    return {name: plain(x) for name, x in estimate._asdict().items()}
