"""Point estimates of scores [S, N]: of S trainings from different seeds, each scored on the same N tasks."""

import numpy as np
import scipy.stats


def interquartile_mean(scores: np.ndarray) -> float:
    """Returns the mean of the middle half of all scores [S, N]: more robust than the mean, and less noisy than the median.

    Example:
      >>> interquartile_mean(np.array([[0.0, 1.0], [2.0, 100.0]]))  # of 1 and 2
      1.5
    """
    return float(scipy.stats.trim_mean(scores, 0.25, axis=None))


def worst_tasks(scores: np.ndarray, percent: float) -> float:
    """Returns the mean score of the worst tasks, the conditional value at risk (CVaR). Scores are averaged over seeds first.

    A score of a single lifetime depends on chance as well as on the task's difficulty. So with few seeds it is lower than the
    mean of the tasks with the lowest expected scores.

    Args:
      scores: [S, N].
      percent: how many of the tasks, in (0, 100]; the last of them counts in part if it is no whole number.

    Example:
      >>> worst_tasks(np.array([[4.0, 1.0, 3.0, 2.0, 5.0]]), 30)  # task 1 whole and task 2 by half, (1 + 2 / 2) / 1.5
      1.3333333333333333
    """
    by_task = np.sort(scores.mean(0))
    share = np.clip(percent / 100 * len(by_task) - np.arange(len(by_task)), 0.0, 1.0)
    return float((share * by_task).sum() / share.sum())


def regressions(before: np.ndarray, after: np.ndarray) -> float:
    """Returns the share of tasks on which adapting hurt: the mean over seeds is lower after it than before; a tie counts half.

    Returns of single episodes depend on chance, so an agent that does not adapt has about one half.

    Args:
      before: scores before adapting [S, N].
      after: scores after adapting [S, N], on the same tasks.

    Example:
      >>> regressions(np.array([[1.0, 1.0, 1.0, 1.0]]), np.array([[0.0, 1.0, 2.0, 2.0]]))  # a loss, a tie, two gains
      0.375
    """
    check_tasks(before, after)
    difference = after.mean(0) - before.mean(0)
    return float(((difference < 0).mean() + (difference <= 0).mean()) / 2)


def probability_of_improvement(ours: np.ndarray, theirs: np.ndarray) -> float:
    """P(X > Y) + P(X = Y) / 2 for scores X and Y of two trainings on the same task, averaged over tasks.

    Args:
      ours: [S, N].
      theirs: [S', N], the same tasks.

    Example:
      >>> probability_of_improvement(np.array([[1.0, 5.0]]), np.array([[0.0, 5.0]]))  # a win and a tie
      0.75
    """
    check_tasks(ours, theirs)
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


def check_tasks(*scores: np.ndarray) -> None:
    """Raises ValueError unless all scores are on equally many tasks."""
    numbers = {x.shape[1] for x in scores}
    if len(numbers) > 1:
        raise ValueError(f"scores on {sorted(numbers)} tasks can't be compared task by task: score all on the same tasks")
