"""The Bayes-optimal return of a Bernoulli bandit with uniform priors, by exact dynamic programming."""

import functools

MAX_PULLS_TIMES_ARMS = 100  # beyond this the recursion takes minutes


@functools.cache
def bayes_optimal_return(num_arms: int, num_pulls: int) -> float | None:
    """Expected sum of rewards of the best possible learner.

    The posterior of an arm with s successes and f failures is Beta(1 + s, 1 + f), so it pays next with probability
    (1 + s) / (2 + s + f). Arms are exchangeable: a belief is the sorted tuple of their counts, and

        V(belief, n) = max_arm  p (1 + V(belief + success, n - 1)) + (1 - p) V(belief + failure, n - 1).

    Args:
      num_arms: number of arms.
      num_pulls: pulls in the lifetime.

    Returns:
      The optimum, or None where num_arms * num_pulls is over 100 and the recursion would take too long.

    Example:
      >>> round(bayes_optimal_return(2, 2), 4)  # 1/2, then 2/3 after a success and 1/2 (the other arm) after a failure
      1.0833
    """
    if num_arms * num_pulls > MAX_PULLS_TIMES_ARMS:
        return None

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
