"""Statistics of scores over seeds and tasks (Agarwal et al. 2021, arXiv 2108.13264): point estimates and their 95 % intervals.

Scores are arrays [S, N]: S trainings from different seeds, each scored on the same N tasks. Seeds are a sample of
training outcomes and tasks are a sample of p(task), so both are resampled, independently of each other, as Owen (2007, "The
pigeonhole bootstrap") does for crossed random effects. For a fixed list of tasks, such as the benchmarks of a suite, use
``stratified_interval``, which is the method of Agarwal et al.

All functions are pure. The random numbers of intervals come from ``seed``, so the same scores give the same interval.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import scipy.stats

Statistic: TypeAlias = Callable[..., np.ndarray | float]  # of arrays [S, N, ...]

NUM_RESAMPLES = 1000
RESAMPLES_AT_ONCE = 50  # bounds memory
LAST = 0.25  # the share of a lifetime's episodes that counts as its end


class Estimate(NamedTuple):
    """A statistic and its interval, which are arrays if the statistic is one. NaN means that there is no interval."""

    value: np.ndarray | float
    low: np.ndarray | float
    high: np.ndarray | float


# Point estimates


def interquartile_mean(scores: np.ndarray) -> float:
    """Returns the mean of the middle half of all scores [S, N]: more robust than the mean, and less noisy than the median.

    Example:
      >>> interquartile_mean(np.array([[0.0, 1.0], [2.0, 100.0]]))  # of 1 and 2
      1.5
    """
    return float(scipy.stats.trim_mean(scores, 0.25, axis=None))


def task_percentile(scores: np.ndarray, percent: float) -> float:
    """Returns the percentile over tasks of the scores, which are averaged over seeds first.

    A score of a single lifetime depends on chance as well as on the task's difficulty. So with few seeds a low percentile is
    lower than that of the tasks' expected scores.

    Args:
      scores: [S, N].
      percent: in [0, 100]; 5 for the upper end of the worst twentieth.
    """
    return float(np.percentile(scores.mean(0), percent))


def probability_of_improvement(ours: np.ndarray, theirs: np.ndarray) -> float:
    """P(X > Y) + P(X = Y) / 2 for scores X and Y of two trainings on the same task, averaged over tasks.

    Args:
      ours: [S, N].
      theirs: [S', N], the same tasks.

    Example:
      >>> probability_of_improvement(np.array([[1.0, 5.0]]), np.array([[0.0, 5.0]]))  # a win and a tie
      0.75
    """
    _check_tasks(ours, theirs)
    wins = sum(((x > theirs).mean() + (x >= theirs).mean()) / 2 for x in ours)
    return float(wins / len(ours))


def performance_profile(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Returns the performance profile, the fraction of scores [S, N] above each threshold [M].

    Example:
      >>> performance_profile(np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([-1.0, 0.5, 2.0, 3.0])).tolist()
      [1.0, 0.75, 0.25, 0.0]
    """
    ordered = np.sort(scores, axis=None)
    return 1.0 - np.searchsorted(ordered, thresholds, side="right") / ordered.size


def normalised(scores: np.ndarray, *, random: float, optimum: float) -> np.ndarray:
    """(score - random) / (optimum - random): 0 for acting at random and 1 for the optimum, in any task family.

    Raises:
      ValueError: if the two are equal.
    """
    if not abs(optimum - random) > 0:
        raise ValueError(f"random={random} and optimum={optimum} leave nothing to normalise by: give two that differ")
    return (scores - random) / (optimum - random)


def regret(scores: np.ndarray, reference: float) -> np.ndarray:
    """Returns the reference minus each score; negative where the score is better."""
    return reference - scores


# Adaptation


def zero_shot(episode_returns: np.ndarray) -> np.ndarray:
    """Returns the return of the first episode [...] of [..., E], before anything about the task was learned."""
    return episode_returns[..., 0]


def final_performance(episode_returns: np.ndarray) -> np.ndarray:
    """Returns the mean return [...] of the last quarter, rounded up, of the episodes [..., E] of a lifetime.

    Example:
      >>> float(final_performance(np.array([0.0, 0.0, 0.0, 1.0, 2.0])))  # 5 / 4 episodes, so 2
      1.5
    """
    last = math.ceil(LAST * episode_returns.shape[-1])
    return episode_returns[..., -last:].mean(-1)


def adaptation_length(
    curve: np.ndarray,
    env_steps: np.ndarray,
    *,
    tolerance: float = 0.05,
    scale: float | None = None,
    noise: np.ndarray | float = 0.0,
) -> float:
    """Returns the environment steps after which an adaptation curve stays at its asymptote.

    With y_e the mean return of episode e, n_e the steps spent in the task before it, and a = ``final_performance(y)``,

        min { n_e : |y_f - a| <= tolerance * scale + noise_f for all f >= e }.

    So it is 0 for an agent that is at its asymptote in the first episode, whether it knows the task or learns nothing.

    Args:
      curve: y [E].
      env_steps: n [E], not decreasing.
      tolerance: at least 0.
      scale: scale of the tolerance; |a| by default. Give optimum minus random score where both are known, since |a| depends on
        the zero of the returns.
      noise: half the width of the curve's interval, [E] or one number, if the curve is a mean over tasks. Without it, a curve
        whose noise is above the tolerance would never seem to settle.

    Returns:
      Environment steps, or NaN if the curve has not settled, that is, if its last episode is outside the tolerance.

    Example:
      >>> adaptation_length(np.array([0.0, 0.5, 0.98, 1.0]), np.array([0.0, 10.0, 20.0, 30.0]))
      20.0
    """
    asymptote = float(final_performance(curve))
    width = tolerance * (abs(asymptote) if scale is None else scale)
    outside = np.flatnonzero(np.abs(curve - asymptote) > width + noise)
    first = outside[-1] + 1 if outside.size else 0
    return float(env_steps[first]) if first < len(curve) else math.nan


# Intervals


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
        _check_tasks(*scores)
    value = np.asarray(statistic(*scores), float)
    if all(x.shape[0] * x.shape[1] == 1 for x in scores):
        return _without_interval(value)
    drawn = [
        np.asarray(statistic(*(x[seeds][:, tasks] for x, (seeds, tasks) in zip(scores, indices, strict=True))), float)
        for indices in _resamples(scores, same_tasks, num_resamples, seed)
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
    (drawn,) = _resampled_means([scores], True, num_resamples, seed)
    return _percentiles(value, drawn, confidence)


def paired_difference(ours: np.ndarray, theirs: np.ndarray, *, same_tasks: bool = True, seed: int = 0) -> Estimate:
    """Returns the mean of ours [S, N] minus the mean of theirs [S', N], with its interval.

    On the same tasks and with the same random numbers, much of the chance and the difficulty is common to both and cancels task
    by task. So the interval is narrower than with ``same_tasks=False``.
    """
    if same_tasks:
        _check_tasks(ours, theirs)
    value = np.asarray(ours.mean() - theirs.mean(), float)
    if ours.size == theirs.size == 1:
        return _without_interval(value)
    drawn, theirs_drawn = _resampled_means([ours, theirs], same_tasks, NUM_RESAMPLES, seed)
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


def _resamples(
    scores: Sequence[np.ndarray], same_tasks: bool, num_resamples: int, seed: int
) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    """Yields the (seeds [S], tasks [N]) that each resample draws for each of the arrays."""
    rng = np.random.default_rng(seed)

    def draw(number: int) -> np.ndarray:
        return rng.integers(number, size=number)

    for _ in range(num_resamples):
        tasks = draw(scores[0].shape[1])
        yield [(draw(x.shape[0]), tasks if same_tasks else draw(x.shape[1])) for x in scores]


def _resampled_means(scores: Sequence[np.ndarray], same_tasks: bool, num_resamples: int, seed: int) -> tuple[np.ndarray, ...]:
    """For each array [S, N, ...], the mean in each resample [R, ...]: scores weighted by how often they were drawn."""
    resamples = _resamples(scores, same_tasks, num_resamples, seed)
    flat = [np.moveaxis(x, 1, -1).reshape(-1, x.shape[1]) for x in scores]  # [S ..., N]
    drawn: list[list[np.ndarray]] = [[] for _ in scores]
    while batch := list(itertools.islice(resamples, RESAMPLES_AT_ONCE)):
        for x, rows, means, indices in zip(scores, flat, drawn, zip(*batch, strict=True), strict=True):
            of_seeds, of_tasks = (
                np.stack([np.bincount(i, minlength=number) for i in column]).astype(float)
                for column, number in zip(zip(*indices, strict=True), x.shape[:2], strict=True)
            )
            per_seed = (of_tasks @ rows.T).reshape(len(batch), len(x), *x.shape[2:])
            means.append(np.einsum("rs,rs...->r...", of_seeds, per_seed) / (x.shape[0] * x.shape[1]))
    return tuple(np.concatenate(means) for means in drawn)


def _percentiles(value: np.ndarray, drawn: np.ndarray, confidence: float) -> Estimate:
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(drawn, [tail, 1.0 - tail], axis=0)
    return Estimate(value, low, high)


def _without_interval(value: np.ndarray) -> Estimate:
    unknown = np.full(value.shape, np.nan)
    return Estimate(value, unknown, unknown)


def _check_tasks(*scores: np.ndarray) -> None:
    numbers = {x.shape[1] for x in scores}
    if len(numbers) > 1:
        raise ValueError(f"scores on {sorted(numbers)} tasks can't be compared task by task: score all on the same tasks")
