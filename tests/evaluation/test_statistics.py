"""Statistics: by hand, against SciPy, and intervals that cover what they claim to cover."""

import numpy as np
import pytest
import scipy.stats

from jmeta.evaluation import statistics as st

RNG = np.random.default_rng(0)


# Point estimates


def test_interquartile_mean():
    """8 scores without the 2 lowest and the 2 highest: 2, 3, 4, 5 of 0, 1, ..., 6, 100, so 14 / 4."""
    scores = np.asarray([[100.0, 1.0, 2.0, 3.0], [0.0, 5.0, 6.0, 4.0]])
    assert st.interquartile_mean(scores) == 3.5
    assert scores.mean() > 15


def test_worst_tasks():
    """Over seeds the tasks score 1, 2, 3, 4, 5; the worst 20 % are the first alone, the worst half two and a half tasks."""
    scores = np.asarray([[0.0, 4.0, 3.0, 2.0, 5.0], [2.0, 0.0, 3.0, 6.0, 5.0]])
    assert st.worst_tasks(scores, 20) == pytest.approx(1.0)
    assert st.worst_tasks(scores, 5) == pytest.approx(1.0)
    assert st.worst_tasks(scores, 50) == pytest.approx((1 + 2 + 3 / 2) / 2.5)
    assert st.worst_tasks(scores, 100) == pytest.approx(scores.mean())


def test_worst_tasks_is_the_mean_below_the_quantile():
    """With whole numbers of tasks it is the mean of so many of the lowest, here of a normal distribution: -phi(z) / p."""
    scores = RNG.normal(size=(1, 100_000))
    for percent in (5, 20):
        share = percent / 100
        expected = -scipy.stats.norm.pdf(scipy.stats.norm.ppf(share)) / share
        assert st.worst_tasks(scores, percent) == pytest.approx(expected, abs=0.03)
        assert st.worst_tasks(scores, percent) == pytest.approx(np.sort(scores[0])[: int(share * 100_000)].mean())


def test_regressions():
    """By task and over both seeds: 1 to 0 is a loss, 2 to 2 a tie, 0 to 1 a gain, 3 to 4 a gain although one seed lost."""
    before = np.asarray([[1.0, 2.0, 0.0, 2.0], [1.0, 2.0, 0.0, 4.0]])
    after = np.asarray([[0.0, 1.0, 1.0, 5.0], [0.0, 3.0, 1.0, 3.0]])
    assert st.regressions(before, after) == pytest.approx((1 + 0.5) / 4)
    with pytest.raises(ValueError, match="tasks"):
        st.regressions(before, after[:, :3])


def test_who_does_not_adapt_regresses_on_half_of_the_tasks():
    before, after = RNG.normal(size=(2, 3, 20_000))
    assert abs(st.regressions(before, after) - 0.5) / np.sqrt(0.25 / 20_000) < 4


def test_probability_of_improvement():
    """First task: 3 beats 1 and 2, 1 ties with 1 and loses to 2: (2 + 0.5) / 4. Second: all ties, 0.5. Mean 0.5625."""
    ours, theirs = np.asarray([[3.0, 7.0], [1.0, 7.0]]), np.asarray([[1.0, 7.0], [2.0, 7.0]])
    assert st.probability_of_improvement(ours, theirs) == pytest.approx(0.5625)
    assert st.probability_of_improvement(theirs, ours) == pytest.approx(1 - 0.5625)


def test_probability_of_improvement_is_the_mann_whitney_statistic():
    """U / (S S') counts wins and half the ties; here with several seeds that differ in number, and ties."""
    ours, theirs = RNG.integers(0, 4, (5, 3)).astype(float), RNG.integers(0, 4, (7, 3)).astype(float)
    expected = [scipy.stats.mannwhitneyu(x, y).statistic / 35 for x, y in zip(ours.T, theirs.T, strict=True)]
    assert st.probability_of_improvement(ours, theirs) == pytest.approx(np.mean(expected))


def test_performance_profile():
    """Above, not at: 2 of 4 scores exceed 1.0, and 3 exceed 0.99."""
    scores = np.asarray([[0.0, 1.0], [2.0, 3.0]])
    assert st.performance_profile(scores, np.asarray([-1.0, 0.99, 1.0, 3.0])).tolist() == [1.0, 0.75, 0.5, 0.0]


def test_normalised_and_regret():
    """From 5 at random to 7 at best: 6 is half way, 4 half a way below; 6 lacks 1 of 7."""
    assert st.normalised(np.asarray([5.0, 6.0, 7.0, 4.0]), random=5.0, optimum=7.0).tolist() == [0.0, 0.5, 1.0, -0.5]
    assert st.normalised(np.asarray([-3.0]), random=-5.0, optimum=-1.0).tolist() == [0.5]
    assert st.regret(np.asarray([6.0, 7.5]), 7.0).tolist() == [1.0, -0.5]
    with pytest.raises(ValueError, match=r"random=2.0 and optimum=2.0 leave nothing to normalise by"):
        st.normalised(np.ones(1), random=2.0, optimum=2.0)


# Adaptation


def test_zero_shot_and_final():
    """8 episodes end with their last 2; 5 with 2 and 2 with 1 (a quarter, rounded up); 1 with itself."""
    returns = np.arange(16.0).reshape(2, 8)
    assert st.zero_shot(returns).tolist() == [0.0, 8.0]
    assert st.final_performance(returns).tolist() == [6.5, 14.5]
    assert st.final_performance(returns[:, :5]).tolist() == [3.5, 11.5]
    assert st.final_performance(returns[:, :2]).tolist() == [1.0, 9.0]
    assert st.final_performance(returns[:, :1]).tolist() == [0.0, 8.0]


@pytest.mark.parametrize(
    ("curve", "options", "expected"),
    [
        ([0, 5, 9, 9.6, 10, 10, 10, 10], {}, 30.0),  # asymptote 10, so within 0.5 of it: from 9.6 on
        ([0, 5, 9.5, 9.5, 10, 10, 10, 10], {}, 20.0),  # at the edge is inside
        ([0, 10, 5, 10, 10, 10, 10, 10], {}, 30.0),  # it must stay
        ([10, 10, 10, 10, 10, 10, 10, 10], {}, 0.0),  # it was there at once
        ([-40, -12, -10.4, -10, -10, -10, -10, -10], {}, 20.0),  # 5 % of |-10|
        ([0, 5, 9, 9.6, 10, 10, 10, 10], {"tolerance": 0.5}, 10.0),  # within 5
        ([0, 5, 9, 9.6, 10, 10, 10, 10], {"scale": 100.0}, 10.0),  # 5 % of 100 is 5
        ([0, 5, 9, 9.6, 10, 10, 10, 10], {"noise": 4.5}, 10.0),  # within 0.5 + 4.5
        ([9, 11, 9, 11, 9, 11, 9, 11], {"noise": np.asarray([0.5] + [0.4] * 7)}, np.nan),  # 0.9 is too little for 1
        ([9, 11, 9, 11, 9, 11, 9, 11], {"noise": 0.5}, 0.0),
        ([0, 0, 0, 0, 0, 0, 8, 12], {}, np.nan),  # the asymptote is 10 and the last episode is 2 above it
        ([3], {}, 0.0),
    ],
)
def test_adaptation_length(curve, options, expected):
    env_steps = 10.0 * np.arange(len(curve))
    np.testing.assert_equal(st.adaptation_length(np.asarray(curve, float), env_steps, **options), expected)


# Intervals


def test_the_mean_of_resamples_with_weights_and_with_copies():
    """The same resamples by either way, on curves [S, N, E]."""
    scores = RNG.normal(size=(4, 7, 3))
    by_copies = st.interval(lambda x: x.mean((0, 1)), scores, num_resamples=50)
    by_weights = st.mean_interval(scores, num_resamples=50)
    for one, other in zip(by_copies, by_weights, strict=True):
        assert np.shape(one) == (3,)
        np.testing.assert_allclose(one, other, rtol=1e-12)
    ours, theirs = RNG.normal(size=(4, 7)), RNG.normal(size=(2, 7))
    for same_tasks in (True, False):
        by_copies = st.interval(lambda a, b: a.mean() - b.mean(), ours, theirs, same_tasks=same_tasks)
        np.testing.assert_allclose(by_copies, st.paired_difference(ours, theirs, same_tasks=same_tasks), rtol=1e-12)


def test_the_same_seed_gives_the_same_interval_and_another_does_not():
    scores = RNG.normal(size=(4, 7))
    assert st.interval(st.interquartile_mean, scores) == st.interval(st.interquartile_mean, scores)
    assert st.interval(st.interquartile_mean, scores, seed=1) != st.interval(st.interquartile_mean, scores)


def test_the_width_is_that_of_crossed_resampling():
    """Given the scores, the variance of the resampled mean is  v_seeds / S + v_tasks / N + v_rest / (S N).

    These are the mean squares of row means, of column means, and of what they leave: the parts of a two-way analysis.
    """
    num_seeds, num_tasks, num_resamples = 6, 40, 4000
    scores = RNG.normal(size=(num_seeds, num_tasks)) + RNG.normal(size=(num_seeds, 1)) + RNG.normal(size=num_tasks)
    centred = scores - scores.mean()
    rows, columns = centred.mean(1, keepdims=True), centred.mean(0, keepdims=True)
    rest = centred - rows - columns
    variance = (rows**2).mean() / num_seeds + (columns**2).mean() / num_tasks + (rest**2).mean() / (num_seeds * num_tasks)
    estimate = st.mean_interval(scores, num_resamples=num_resamples)
    # The ends of a 95 % interval of a normal mean lie 2 x 1.96 standard deviations apart. Each end's standard error is
    # sqrt(0.025 x 0.975 / R) / density(1.96) = 0.042 standard deviations; z = 4 for two of them: 0.24. Not quite normal: 0.3.
    assert (estimate.high - estimate.low) / np.sqrt(variance) == pytest.approx(2 * 1.96, abs=0.3)


@pytest.mark.parametrize("varies", ["seeds", "tasks"])
def test_coverage(varies):
    """How often 95 % intervals of 20 seeds or tasks hold the truth, in 400 experiments.

    Where only the 20 draws of one kind vary, the percentile interval is mean +- 1.96 sqrt(19/20) standard errors, and Student's t
    with 19 degrees of freedom is within 1.91 of zero with probability 0.9287: a little less than 95 %, and known. z = 4.
    """
    expected = 1 - 2 * scipy.stats.t.sf(1.96 * np.sqrt(19 / 20), df=19)
    covered = []
    for _ in range(400):
        effects = RNG.normal(size=(20, 1)) * np.ones((1, 3))
        estimate = st.mean_interval(effects if varies == "seeds" else effects.T, num_resamples=200, seed=int(RNG.integers(2**31)))
        covered.append(estimate.low <= 0 <= estimate.high)
    # 200 resamples place the ends at order statistics 5 and 196 of 201, which loses another 0.5 %.
    assert np.mean(covered) == pytest.approx(expected - 0.005, abs=4 * np.sqrt(expected * (1 - expected) / 400))


def test_resampling_one_kind_alone_would_not_cover():
    """With 5 seeds that differ and 1,000 tasks that do not, the interval is as wide as seeds make it."""
    effects = np.asarray([[-2.0], [-1.0], [0.0], [1.0], [2.0]]) * np.ones((1, 1000))
    estimate = st.mean_interval(effects)
    # The standard deviation of a mean of 5 draws from -2, ..., 2 is sqrt(2 / 5) = 0.63.
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * 0.632, abs=0.3)


def test_stratified_interval_is_agarwals():
    """Each benchmark's seeds are resampled by themselves: benchmarks that differ add no width, seeds that differ do."""
    scores = np.asarray([[0.0, 10.0]] * 4)
    flat = st.stratified_interval(scores, np.mean, num_resamples=100)
    assert tuple(map(float, flat)) == (5.0, 5.0, 5.0)
    scores = RNG.normal(size=(10, 6)) + 10 * np.arange(6)
    estimate = st.stratified_interval(scores, np.mean, num_resamples=2000)
    # Independent strata: variance = sum_m var_m / S / M^2.
    deviation = np.sqrt(scores.var(0).sum() / 10) / 6
    assert (estimate.high - estimate.low) / deviation == pytest.approx(2 * 1.96, abs=0.35)
    assert float(st.stratified_interval(scores).value) == pytest.approx(st.interquartile_mean(scores))


def test_where_there_is_nothing_to_resample_there_is_no_interval():
    for estimate in (
        st.interval(st.interquartile_mean, np.ones((1, 1))),
        st.mean_interval(np.ones((1, 1))),
        st.stratified_interval(np.ones((1, 5)), np.mean),
    ):
        assert estimate.value == 1.0
        assert np.isnan([estimate.low, estimate.high]).all()


# Pairs


def test_a_paired_interval_is_narrower():
    """Tasks differ by 10, learners by 1: on common tasks only seeds and noise are left of the interval."""
    tasks = 10 * RNG.normal(size=50)
    theirs = tasks + 0.1 * RNG.normal(size=(5, 50))
    ours = 1.0 + tasks + 0.1 * RNG.normal(size=(5, 50))
    paired = st.paired_difference(ours, theirs)
    unpaired = st.paired_difference(ours, theirs, same_tasks=False)
    assert paired.value == unpaired.value == pytest.approx(1.0, abs=4 * 0.1 * np.sqrt(2 / 250))  # z = 4
    assert 0.9 < paired.low < paired.high < 1.1
    # Unpaired, 2 x 1.96 x 10 sqrt(2 / 50) = 7.8, and it can't tell who is better.
    assert unpaired.high - unpaired.low > 5
    assert unpaired.low < 0 < unpaired.high


def test_pairs_need_the_same_tasks():
    with pytest.raises(ValueError, match=r"scores on \[3, 4\] tasks can't be compared task by task"):
        st.paired_difference(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(ValueError, match="score all on the same tasks"):
        st.probability_of_improvement(np.ones((2, 3)), np.ones((2, 4)))
    assert st.paired_difference(np.ones((2, 3)), np.ones((1, 4)), same_tasks=False).value == 0.0
