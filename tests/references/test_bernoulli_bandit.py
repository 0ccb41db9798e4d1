"""The exact optimum of a Bernoulli bandit."""

import itertools

import pytest

from jmeta.references import bayes_optimal_return, bernoulli_bandit
from jmeta.tasks.bernoulli_bandit import BernoulliBandit


@pytest.mark.parametrize(
    ("num_arms", "num_pulls", "optimum"),
    [
        (5, 10, 6.65999),  # computed independently
        (10, 10, 6.71395),  # computed independently
        (3, 0, 0.0),
        (3, 1, 1 / 2),
        # First pull: 1/2. After a success (1/2) the arm pays 2/3; after a failure its 1/3 is less than the other arm's 1/2.
        # 1/2 + 1/2 * 2/3 + 1/2 * 1/2 = 13/12.
        (2, 2, 13 / 12),
        # One arm leaves no choice.
        (1, 7, 7 / 2),
    ],
)
def test_optimum(num_arms, num_pulls, optimum):
    assert bayes_optimal_return(num_arms, num_pulls) == pytest.approx(optimum, abs=1e-5)


def test_three_pulls_of_two_arms_by_search_over_histories():
    """The same optimum without beliefs or posteriors: maximise over the tree of histories, weighted by their probability."""

    def joint(history):  # P(rewards of the history | its arms); per arm s! f! / (s + f + 1)!
        probability = 1.0
        for arm in (0, 1):
            successes = sum(1 for a, r in history if a == arm and r)
            failures = sum(1 for a, r in history if a == arm and not r)
            for i in range(1, failures + 1):
                probability *= i / (successes + i)
            probability /= successes + failures + 1
        return probability

    def best(history):  # best expected reward still to come, weighted by P(history)
        if len(history) == 3:
            return 0.0
        later = {h: joint(h) * h[-1][1] + best(h) for h in ((*history, pull) for pull in itertools.product((0, 1), (0, 1)))}
        return max(sum(value for h, value in later.items() if h[-1][0] == arm) for arm in (0, 1))

    assert bayes_optimal_return(2, 3) == pytest.approx(best(()), abs=1e-12)


def test_more_arms_and_more_pulls_are_better():
    optimum = {(arms, pulls): bayes_optimal_return(arms, pulls) for arms in range(1, 7) for pulls in range(1, 11)}
    for (arms, pulls), value in optimum.items():
        assert pulls / 2 - 1e-12 <= value <= pulls * arms / (arms + 1)  # random below, knowing the best arm above
        if arms > 1:
            assert value >= optimum[arms - 1, pulls] - 1e-12
        if 1 < arms <= pulls:  # one more arm than pulls can reach is worth nothing
            assert value > optimum[arms - 1, pulls] + 1e-6
        if pulls > 1:
            assert value > optimum[arms, pulls - 1] + 1 / 2 - 1e-12


def test_two_arms_by_layers_and_by_recursion():
    for num_pulls in (0, 1, 2, 7, 30):
        expected = bernoulli_bandit._any_arms(2, num_pulls)
        assert bayes_optimal_return(2, num_pulls) == pytest.approx(expected, abs=1e-10)


def test_the_two_armed_bandit_of_wang_et_al():
    """100 pulls; the larger of two uniforms is 2/3 on average, and the Bayes regret is 1.748, computed independently."""
    assert 100 * 2 / 3 - bayes_optimal_return(2, 100) == pytest.approx(1.748, abs=5e-4)


def test_beyond_its_reach_it_says_so():
    assert bayes_optimal_return(2, 201) is None
    assert bayes_optimal_return(5, 21) is None


def test_the_task_distribution_knows_its_optimum():
    reference = BernoulliBandit(5, 10).reference_return(10)
    assert reference.value == pytest.approx(6.65999, abs=1e-5)
    assert reference.per == "lifetime"
    assert BernoulliBandit(50, 500).reference_return(500) is None
