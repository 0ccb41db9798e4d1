"""Intervals of statistics of scores [S, N], by resampling seeds and tasks."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import scipy.stats

from jmeta.evaluation.statistics.point_estimates import check_tasks, interquartile_mean
from jmeta.evaluation.statistics.resampling import resampled_means, resamples

Statistic: TypeAlias = Callable[..., np.ndarray | float]  # of arrays [S, N, ...]

NUM_RESAMPLES = 1000


class Estimate(NamedTuple):
    """A statistic and its interval, which are arrays if the statistic is one. NaN means that there is no interval."""

    value: np.ndarray | float
    low: np.ndarray | float
    high: np.ndarray | float


def interval(
    statistic: Statistic,
    *scores: np.ndarray,
    same_tasks: bool = True,
    confidence: float = 0.95,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Returns a statistic and its percentile interval under resampling of seeds and tasks.

    Each resample draws S of the seeds and N of the tasks, with replacement. The interval is conservative: it counts the
    independent noise of single scores up to three times (Owen 2007), and the variance between seeds and between tasks once.

    Args:
      statistic: function of as many arrays [S, N, ...] as there are scores.
      scores: one array [S, N, ...] for each learner; S may differ between learners.
      same_tasks: whether the learners were scored on the same tasks, so that a resample draws the same tasks for all of them.
      confidence: confidence level of the interval, in (0, 1).
      num_resamples: number of resamples; more make the ends of the interval less noisy.
      seed: seed of the resampling.

    Returns:
      The estimate. With one seed the interval covers the sampling of tasks only; with one score there is none.

    References:
      Agarwal et al. 2021, arXiv 2108.13264. Owen 2007, Annals of Applied Statistics 1(2).
    """
    if same_tasks:
        check_tasks(*scores)
    value = np.asarray(statistic(*scores), float)
    if all(x.shape[0] * x.shape[1] == 1 for x in scores):
        return _without_interval(value)
    drawn = [
        np.asarray(statistic(*(x[seeds][:, tasks] for x, (seeds, tasks) in zip(scores, indices, strict=True))), float)
        for indices in resamples(scores, same_tasks, num_resamples, seed)
    ]
    return _percentiles(value, np.stack(drawn), confidence)


def mean_interval(scores: np.ndarray, *, confidence: float = 0.95, num_resamples: int = NUM_RESAMPLES, seed: int = 0) -> Estimate:
    """``interval`` of the mean over seeds and tasks of [S, N, ...]; fast on curves [S, N, E], since it copies no scores.

    Example:
      >>> estimate = mean_interval(np.array([[0.0, 1.0, 2.0, 3.0]] * 3))
      >>> float(estimate.value), bool(estimate.low < 1.5 < estimate.high)
      (1.5, True)
    """
    value = np.asarray(scores.mean((0, 1)), float)
    if scores.shape[0] * scores.shape[1] == 1:
        return _without_interval(value)
    (drawn,) = resampled_means([scores], True, num_resamples, seed)
    return _percentiles(value, drawn, confidence)


def paired_difference(ours: np.ndarray, theirs: np.ndarray, *, same_tasks: bool = True, seed: int = 0) -> Estimate:
    """Returns the mean of ours [S, N] minus the mean of theirs [S', N], with its interval.

    On the same tasks and with the same random numbers, much of the chance and the difficulty is common to both and cancels task
    by task. So the interval is narrower than with ``same_tasks=False``.
    """
    if same_tasks:
        check_tasks(ours, theirs)
    value = np.asarray(ours.mean() - theirs.mean(), float)
    if ours.size == theirs.size == 1:
        return _without_interval(value)
    drawn, theirs_drawn = resampled_means([ours, theirs], same_tasks, NUM_RESAMPLES, seed)
    return _percentiles(value, drawn - theirs_drawn, 0.95)


def stratified_interval(
    scores: np.ndarray,
    statistic: Callable[[np.ndarray], float] = interquartile_mean,
    *,
    confidence: float = 0.95,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Returns a statistic over a fixed list of benchmarks and its percentile interval under resampling of seeds in each of them.

    Args:
      scores: [S, M], S trainings in each of M benchmarks, independent of each other.
      statistic: function of [S, M].
      confidence: confidence level of the interval, in (0, 1).
      num_resamples: number of resamples; more make the ends of the interval less noisy.
      seed: seed of the resampling.

    Returns:
      The estimate; with one seed there is no interval.

    References:
      Agarwal et al. 2021, arXiv 2108.13264, section 4.
    """
    value = np.asarray(statistic(scores), float)
    if len(scores) < 2:
        return _without_interval(value)
    result = scipy.stats.bootstrap(
        tuple(scores.T),
        lambda *benchmarks: statistic(np.stack(benchmarks, axis=1)),
        vectorized=False,
        n_resamples=num_resamples,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return Estimate(value, *map(np.asarray, result.confidence_interval))


def _percentiles(value: np.ndarray, drawn: np.ndarray, confidence: float) -> Estimate:
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(drawn, [tail, 1.0 - tail], axis=0)
    return Estimate(value, low, high)


def _without_interval(value: np.ndarray) -> Estimate:
    unknown = np.full(value.shape, np.nan)
    return Estimate(value, unknown, unknown)
