"""Mean ranks of algorithms over task families, with intervals that resample seeds."""

from typing import Any, NamedTuple

import numpy as np
import scipy.stats

from jmeta.evaluation.statistics.intervals import NUM_RESAMPLES


class Ranks(NamedTuple):
    """Mean ranks [A] of A algorithms over the task families in which all of them were run, and their 95 % intervals."""

    algorithms: tuple[str, ...]
    families: tuple[str, ...]
    mean: np.ndarray  # [A]
    low: np.ndarray  # [A]
    high: np.ndarray  # [A]


def mean_ranks(results: dict[str, Any], runs_in: dict[str, list[str]], families: list[str]) -> Ranks | None:
    """Returns the ranks of all algorithms that run in every task family, without ``oracle``, which is told the task.

    In a task family the highest mean score has rank 1, and equal scores share a rank. A failed algorithm has the last rank. Only
    the task families count in which all these algorithms have been run. A resample draws the seeds of each algorithm in each task
    family, independently of each other.

    Args:
      results: those on one budget, by task family.
      runs_in: the task families in which each algorithm runs.
      families: all task families.

    Returns:
      The ranks, or None if there is no such task family.
    """
    algorithms = tuple(name for name, tasks in runs_in.items() if set(tasks) == set(families) and name != "oracle")
    complete = tuple(f for f in families if f in results and all(name in results[f]["rows"] for name in algorithms))
    if not complete or not algorithms:
        return None
    rng = np.random.default_rng(0)

    def drawn(row: dict[str, Any]) -> np.ndarray:
        """Returns the mean score [1 + R]: of all seeds, and of each resample."""
        if "failed" in row:
            return np.full(1 + NUM_RESAMPLES, -np.inf)
        seeds = np.asarray(row["seed_means"])
        indices = rng.integers(len(seeds), size=(NUM_RESAMPLES, len(seeds)))
        return np.concatenate([[seeds.mean()], seeds[indices].mean(1)])

    means = np.array([[drawn(results[f]["rows"][name]) for name in algorithms] for f in complete])  # [F, A, 1 + R]
    ranks = scipy.stats.rankdata(-means, axis=1).mean(0)  # [A, 1 + R]
    low, high = np.quantile(ranks[:, 1:], [0.025, 0.975], axis=1)
    return Ranks(algorithms, complete, ranks[:, 0], low, high)
