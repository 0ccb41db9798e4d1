"""The Bayes-optimal return of a Bernoulli bandit with uniform priors, by exact dynamic programming."""

import functools

import numpy as np

MAX_PULLS_TIMES_ARMS = 100  # beyond this the recursion takes minutes
MAX_PULLS_OF_TWO_ARMS = 200  # beyond this, num_pulls^3 states of each layer take too much time and memory


@functools.cache
def bayes_optimal_return(num_arms: int, num_pulls: int) -> float | None:
    """Returns the expected sum of rewards of a Bayes-optimal learner.

    The posterior of an arm with s successes and f failures is Beta(1 + s, 1 + f), so its next pull pays with probability
    (1 + s) / (2 + s + f), and with n pulls remaining

        V(belief, n) = max_arm  p (1 + V(belief + success, n - 1)) + (1 - p) V(belief + failure, n - 1).

    Args:
      num_arms: number of arms.
      num_pulls: pulls in the lifetime.

    Returns:
      The optimum, or None where it would take too long: for two arms above 200 pulls, for more arms where
      num_arms * num_pulls is above 100.

    Example:
      >>> round(bayes_optimal_return(2, 2), 4)  # 1/2, then 2/3 after a success and 1/2 (the other arm) after a failure
      1.0833
    """
    if num_arms == 2:
        return _two_arms(num_pulls) if num_pulls <= MAX_PULLS_OF_TWO_ARMS else None
    return _any_arms(num_arms, num_pulls) if num_arms * num_pulls <= MAX_PULLS_TIMES_ARMS else None


def _two_arms(num_pulls: int) -> float:
    """Computes the values [n1, s1, s2] of all states after t = n1 + n2 pulls, backwards from the last pull."""
    values = np.zeros((num_pulls + 1,) * 3)
    for t in reversed(range(num_pulls)):
        count = np.arange(t + 1)
        p1 = np.minimum((1 + count) / (2 + count[:, None]), 1)[:, :, None]  # [n1, s1]; those with s1 > n1 are not used
        p2 = np.minimum((1 + count) / (2 + t - count[:, None]), 1)[:, None, :]  # [n1, s2]
        first, second = values[1:, :, : t + 1], values[:-1, : t + 1, :]  # after a pull of either arm
        values = np.maximum(
            p1 * (1 + first[:, 1:]) + (1 - p1) * first[:, :-1],
            p2 * (1 + second[:, :, 1:]) + (1 - p2) * second[:, :, :-1],
        )
    return float(values.item())


def _any_arms(num_arms: int, num_pulls: int) -> float:
    """Computes the value by recursion over beliefs. Arms are exchangeable, so a belief is the sorted tuple of their counts."""

    @functools.cache
    def value(belief: tuple[tuple[int, int], ...], pulls: int) -> float:
        if pulls == 0:
            return 0.0
        best = 0.0
        for index, (successes, failures) in enumerate(belief):
            if index and belief[index - 1] == belief[index]:
                continue  # an arm with the same counts is the same choice
            others = belief[:index] + belief[index + 1 :]
            p = (1 + successes) / (2 + successes + failures)
            won = value(tuple(sorted((*others, (successes + 1, failures)))), pulls - 1)
            lost = value(tuple(sorted((*others, (successes, failures + 1)))), pulls - 1)
            best = max(best, p * (1.0 + won) + (1.0 - p) * lost)
        return best

    return value(((0, 0),) * num_arms, num_pulls)
