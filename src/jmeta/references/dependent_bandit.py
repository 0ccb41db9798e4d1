"""The Bayes-optimal returns of bandits of two dependent arms, which pay 1 with probabilities p and 1 - p (Wang et al. 2016)."""

import math


def dependent_bandit_return(num_pulls: int) -> float:
    """Returns the Bayes-optimal sum of rewards.

    A reward of one arm is as informative as a failure of the other. So what is learned does not depend on the arm that is
    pulled, and pulling the arm with the higher posterior mean is optimal. Let s of t pulls be evidence for the first arm. s
    is uniform on 0 .. t, and the arm's posterior mean is (1 + s) / (2 + t):

        sum_t  1 / (t + 1)  sum_s  max(1 + s, 1 + t - s) / (2 + t).
    """
    return sum(sum(max(1 + s, 1 + t - s) for s in range(t + 1)) / ((t + 1) * (t + 2)) for t in range(num_pulls))


def two_task_bandit_return(low: float, num_pulls: int) -> float:
    """Returns the Bayes-optimal sum of rewards.

    As for ``DependentBandit``, pulling the likelier arm is optimal. Let s of t pulls be evidence for the better arm. s is
    binomial with probability 1 - low; that arm is pulled next if s > t / 2, and half of the time if s = t / 2.
    """

    def right(t: int) -> float:
        chances = (math.comb(t, s) * (1.0 - low) ** s * low ** (t - s) for s in range(t + 1))
        return sum(chance * (1.0 if 2 * s > t else 0.5 if 2 * s == t else 0.0) for s, chance in enumerate(chances))

    return sum(low + (1.0 - 2.0 * low) * right(t) for t in range(num_pulls))
