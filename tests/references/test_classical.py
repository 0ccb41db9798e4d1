"""Hand-written learners: their arithmetic, their memory, and their scores against exact expectations and the literature."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jmeta.references import (
    UCB1,
    EpsilonGreedy,
    GittinsIndex,
    Greedy,
    OptimisticThompsonSampling,
    Random,
    ThompsonSampling,
    bayes_optimal_return,
)
from jmeta.references.bandits import Arms
from jmeta.tasks.bernoulli_bandit import BernoulliBandit
from jmeta.tasks.point_navigation import PointNavigation
from jmeta.types import Continuous, Discrete, Protocol, Timestep
from tests.references.lives import assert_replayed, lived

NUM_PULLS = 10
NUM_TASKS = 10_000
LEARNERS = {
    "random": Random,
    "greedy": Greedy,
    "UCB1": UCB1,
    "tuned UCB1": functools.partial(UCB1, exploration=0.05, prior=1.0),
    "Thompson sampling": ThompsonSampling,
    "epsilon-greedy": EpsilonGreedy,
    "optimistic Thompson sampling": OptimisticThompsonSampling,
    "Gittins": functools.partial(GittinsIndex.create, num_pulls=NUM_PULLS),
}
BANDIT_LEARNERS = sorted(set(LEARNERS) - {"random"})
PUBLISHED = {  # Duan et al. 2016, 10 pulls of 5 and of 10 arms, 1,000 tasks each, given to one decimal
    5: {
        "random": 5.0,
        "greedy": 6.6,
        "tuned UCB1": 6.7,
        "Thompson sampling": 5.7,
        "Gittins": 6.6,
    },
    10: {
        "random": 5.0,
        "greedy": 6.6,
        "tuned UCB1": 6.7,
        "Thompson sampling": 5.5,
        "Gittins": 6.6,
    },
}


# The same algorithms again, in plain Python, on a belief: one (successes, failures) for each arm -> weight of each arm.


def uniform_over_best(scores):
    return [float(score > max(scores) - 1e-9) for score in scores]


def ucb1_rule(belief, exploration, prior):
    if prior == 0 and any(s + f == 0 for s, f in belief):
        return [float(s + f == 0) for s, f in belief]
    log_t = math.log(max(1, sum(s + f for s, f in belief)))
    n = [s + f + 2 * prior for s, f in belief]
    return uniform_over_best(
        [(s + prior) / n_a + exploration * math.sqrt(2 * log_t / n_a) for (s, _), n_a in zip(belief, n, strict=True)]
    )


def epsilon_greedy_rule(belief, epsilon=0.1):
    best = uniform_over_best([(1 + s) / (2 + s + f) for s, f in belief])
    return [(1 - epsilon) * b / sum(best) + epsilon / len(belief) for b in best]


def optimistic_rule(belief):
    """Integrals over p in place of angles, and P(no sample above the highest mean) as a product in place of a remainder."""
    means = [(1 + s) / (2 + s + f) for s, f in belief]
    highest = max(means)
    ties = uniform_over_best(means)
    p = (np.arange(400) + 0.5) / 400
    above = np.clip((p - highest) * 400 + 0.5, 0, 1)
    density, below = _beta_tables()
    nothing_above = math.prod(_beta_cdf(highest, arm) for arm in belief)
    return [
        float((density[arm] * above * math.prod(below[other] for j, other in enumerate(belief) if j != i)).sum() / p.size)
        + tie / sum(ties) * nothing_above
        for i, (arm, tie) in enumerate(zip(belief, ties, strict=True))
    ]


@functools.cache
def _beta_cdf(p, arm):
    return float(stats.beta.cdf(p, 1 + arm[0], 1 + arm[1]))


@functools.cache
def gittins_index(s, f, pulls):
    """The rate at which retiring is as good, by bisection."""

    def gain(rate):  # of the best stopping time over retiring at once, the next pull being taken
        @functools.cache
        def go_on(s, f, pulls):
            if pulls == 0:
                return 0.0
            p = (1 + s) / (2 + s + f)
            return p - rate + p * max(0.0, go_on(s + 1, f, pulls - 1)) + (1 - p) * max(0.0, go_on(s, f + 1, pulls - 1))

        return go_on(s, f, pulls)

    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if gain(middle) > 0 else (low, middle)
    return low


def gittins_rule(belief):
    pulls = NUM_PULLS - sum(s + f for s, f in belief)
    return uniform_over_best([gittins_index(s, f, pulls) for s, f in belief])


def thompson_rule(belief):
    if max(s + f for s, f in belief) == 0:
        return [1.0] * len(belief)
    p = (np.arange(400) + 0.5) / 400
    density, below = _beta_tables()
    return [
        float((density[arm] * math.prod(below[other] for j, other in enumerate(belief) if j != i)).sum() / p.size)
        for i, arm in enumerate(belief)
    ]


@functools.cache
def _beta_tables():
    p = (np.arange(400) + 0.5) / 400
    counts = [(s, f) for s in range(NUM_PULLS + 1) for f in range(NUM_PULLS + 1 - s)]
    return (
        {(s, f): stats.beta.pdf(p, 1 + s, 1 + f) for s, f in counts},
        {(s, f): stats.beta.cdf(p, 1 + s, 1 + f) for s, f in counts},
    )


RULES = {
    "random": lambda belief: [1.0] * len(belief),
    "greedy": lambda belief: uniform_over_best([(1 + s) / (2 + s + f) for s, f in belief]),
    "UCB1": functools.partial(ucb1_rule, exploration=1.0, prior=0),
    "tuned UCB1": functools.partial(ucb1_rule, exploration=0.05, prior=1),
    "Thompson sampling": thompson_rule,
    "epsilon-greedy": epsilon_greedy_rule,
    "optimistic Thompson sampling": optimistic_rule,
    "Gittins": gittins_rule,
}


def expectation(rule, num_arms):
    """Exact: the recursion of ``bayes_optimal_return`` with the rule's choice in place of the best one."""

    @functools.cache
    def value(belief, pulls):
        if pulls == 0:
            return 0.0
        weights = rule(belief)
        total = 0.0
        for i, ((s, f), weight) in enumerate(zip(belief, weights, strict=True)):
            if weight == 0.0 or belief.index((s, f)) < i:  # arms with the same counts are counted at the first of them
                continue
            others = belief[:i] + belief[i + 1 :]
            won = value(tuple(sorted((*others, (s + 1, f)))), pulls - 1)
            lost = value(tuple(sorted((*others, (s, f + 1)))), pulls - 1)
            p = (1 + s) / (2 + s + f)
            total += belief.count((s, f)) * weight / sum(weights) * (p * (1.0 + won) + (1.0 - p) * lost)
        return total

    return value(((0, 0),) * num_arms, NUM_PULLS)


@functools.cache
def expected_score(name, num_arms):
    return expectation(RULES[name], num_arms)


def make(name, num_arms=5):
    return LEARNERS[name](observation_size=1, action_space=Discrete(num_arms))


def arms(*successes_and_failures):
    counts = jnp.array(successes_and_failures, jnp.float32)
    return Arms(pulls=counts.sum(axis=1), rewards=counts[:, 0])


def probabilities(learner, *successes_and_failures):
    return np.exp(learner.choose(arms(*successes_and_failures)).logits)


@functools.cache
def lives(name):
    """Ten pulls in each of two streams, in 10,000 held-out tasks of 5 arms: leaves [N, K=1, T=10, B=2, ...]."""
    tasks = BernoulliBandit(5, NUM_PULLS).held_out
    return lived(make(name), tasks, NUM_TASKS, Protocol(1, NUM_PULLS, 2), jax.random.key(2016))


# Scores.


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_score_is_the_exact_expectation_and_below_the_optimum(name):
    lifetimes, _ = lives(name)
    totals = np.asarray(lifetimes.segments.reward).sum(axis=(1, 2)).mean(axis=1)  # streams of one task are not independent
    mean, standard_error = totals.mean(), totals.std() / math.sqrt(NUM_TASKS)
    assert standard_error < 0.02
    assert abs(mean - expected_score(name, 5)) < 4 * standard_error
    assert mean < 6.65999 + 4 * standard_error


@pytest.mark.parametrize("num_arms", [5, 10])
@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_expectations_are_below_the_optimum(name, num_arms):
    assert expected_score(name, num_arms) < bayes_optimal_return(num_arms, NUM_PULLS) + 1e-9


@pytest.mark.parametrize("num_arms", [5, 10])
@pytest.mark.parametrize("name", sorted(PUBLISHED[5]))
def test_published_scores(name, num_arms):
    """Within three standard errors of 1,000 tasks (standard deviation of a score about 2) and half a unit of the last digit."""
    tolerance = 3 * 2.0 / math.sqrt(1000) + 0.05
    assert expected_score(name, num_arms) == pytest.approx(PUBLISHED[num_arms][name], abs=tolerance)


def test_the_scores_in_the_docstring_of_ucb1():
    def with_constant(exploration, prior):
        return expectation(functools.partial(ucb1_rule, exploration=exploration, prior=prior), 5)

    assert expected_score("UCB1", 5) == pytest.approx(5.67, abs=5e-3)
    assert max(with_constant(c, prior=0) for c in (0.01, 0.1, 0.25, 0.5, 0.75)) < 5.92  # a step function of the constant
    assert expected_score("tuned UCB1", 5) == pytest.approx(6.657, abs=1e-3)
    assert expected_score("tuned UCB1", 10) == pytest.approx(6.711, abs=1e-3)
    assert with_constant(0.005, prior=1) == pytest.approx(expected_score("tuned UCB1", 5), abs=1e-9)
    assert max(with_constant(c, prior=1) for c in (0.0, 0.1, 0.2, 0.4, 0.8)) < expected_score("tuned UCB1", 5)


def test_constants_are_leaves_so_a_sweep_is_a_vmap():
    def choose(exploration):
        return UCB1(1, Discrete(2), exploration=exploration).choose(arms((3, 1), (0, 1))).logits

    # After five pulls: 3/4 + c sqrt(2 ln 5 / 4) = .75 + .897 c against 0 + 1.794 c: the second arm from c = .836 on.
    logits = jax.vmap(choose)(jnp.array([0.83, 0.84]))
    np.testing.assert_array_equal(logits.argmax(axis=-1), [0, 1])


# Arithmetic.


def test_ucb1_tries_every_arm_first():
    np.testing.assert_allclose(probabilities(make("UCB1", 3), (0, 0), (0, 0), (0, 0)), 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(probabilities(make("UCB1", 3), (9, 0), (0, 0), (0, 0)), [0, 1 / 2, 1 / 2], rtol=1e-6)


def test_ucb1_by_hand():
    # t = 6: sqrt(2 ln 6) = 1.893. Bounds: 2/3 + 1.893/sqrt(3) = 1.760;  1/2 + 1.893/sqrt(2) = 1.839;  0 + 1.893/1 = 1.893.
    assert probabilities(UCB1(1, Discrete(3)), (2, 1), (1, 1), (0, 1)).argmax() == 2
    # exploration 1/2: 2/3 + .546 = 1.213;  1/2 + .669 = 1.169;  .947.
    assert probabilities(UCB1(1, Discrete(3), exploration=0.5), (2, 1), (1, 1), (0, 1)).argmax() == 0
    # exploration .9: 2/3 + .984 = 1.650;  1/2 + 1.205 = 1.705;  1.704.
    assert probabilities(UCB1(1, Discrete(3), exploration=0.9), (2, 1), (1, 1), (0, 1)).argmax() == 1
    # prior 1 and exploration 1/2: 3/5 + .947/sqrt(5) = 1.023;  2/4 + .947/2 = .973;  1/3 + .947/sqrt(3) = .880.
    assert probabilities(UCB1(1, Discrete(3), 0.5, 1.0), (2, 1), (1, 1), (0, 1)).argmax() == 0


def test_greedy_by_hand():
    # Posterior means 2/4, 1/2, 1/3: the first two are equal, whatever they rest on.
    np.testing.assert_allclose(probabilities(make("greedy", 3), (1, 1), (0, 0), (0, 1)), [1 / 2, 1 / 2, 0], rtol=1e-6)
    np.testing.assert_allclose(probabilities(make("greedy", 3), (2, 1), (0, 0), (1, 0)), [0, 0, 1], rtol=1e-6)  # 3/5, 1/2, 2/3


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([(0, 0), (0, 0), (0, 0)], [1 / 3, 1 / 3, 1 / 3]),
        # P(Beta(2, 1) > U) = E[Beta(2, 1)] = 2/3.
        ([(1, 0), (0, 0)], [2 / 3, 1 / 3]),
        # int 2p (2p - p^2) dp = 4/3 - 1/2 = 5/6.
        ([(1, 0), (0, 1)], [5 / 6, 1 / 6]),
        # P(Beta(6, 1) > two U) = E[p^2] = 6/8; the others share the rest.
        ([(0, 0), (5, 0), (0, 0)], [1 / 8, 6 / 8, 1 / 8]),
    ],
)
def test_thompson_sampling_by_hand(counts, expected):
    np.testing.assert_allclose(probabilities(make("Thompson sampling", len(counts)), *counts), expected, atol=1e-4)


def test_thompson_sampling_is_what_sampling_would_do():
    counts = [(30, 20), (6, 3), (0, 2), (80, 60)]
    draws = np.random.default_rng(0).beta(*(1.0 + np.array(counts).T), size=(200_000, 4))
    sampled = np.bincount(draws.argmax(axis=1), minlength=4) / len(draws)
    standard_error = np.sqrt(sampled * (1 - sampled) / len(draws)) + 1e-5
    exact = probabilities(make("Thompson sampling", 4), *counts)
    assert np.all(np.abs(exact - sampled) < 4 * standard_error + 1e-3)


def test_thompson_sampling_with_overwhelming_evidence():
    np.testing.assert_allclose(probabilities(make("Thompson sampling", 3), (5000, 10), (10, 5000), (0, 9)), [1, 0, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([(0, 0), (0, 0), (0, 0)], [1 / 3, 1 / 3, 1 / 3]),
        # Means 2/3 and 1/2. The second arm needs a sample above 2/3 that is the larger: int_{2/3}^1 p^2 dp = 19/81.
        ([(1, 0), (0, 0)], [62 / 81, 19 / 81]),
        # int_{2/3}^1 (2p - p^2) 2(1 - p) dp with q = 1 - p: int_0^{1/3} (1 - q)^2 2q dq = 1/9 - 4/81 + 1/162 = 11/162.
        ([(1, 0), (0, 1)], [151 / 162, 11 / 162]),
    ],
)
def test_optimistic_thompson_sampling_by_hand(counts, expected):
    np.testing.assert_allclose(probabilities(make("optimistic Thompson sampling", len(counts)), *counts), expected, atol=3e-4)


def test_optimistic_thompson_sampling_is_what_sampling_would_do():
    counts = [(30, 20), (6, 3), (0, 2), (5, 2)]
    alpha, beta = 1.0 + np.array(counts).T
    rng = np.random.default_rng(1)
    values = np.maximum(rng.beta(alpha, beta, size=(200_000, 4)), alpha / (alpha + beta))
    best = values == values.max(axis=1, keepdims=True)  # 7/11, 6/9: only one mean is the highest
    assert np.all(best.sum(axis=1) == 1)
    sampled = best.mean(axis=0)
    standard_error = np.sqrt(sampled * (1 - sampled) / len(values)) + 1e-5
    exact = probabilities(make("optimistic Thompson sampling", 4), *counts)
    assert np.all(np.abs(exact - sampled) < 4 * standard_error + 1e-3)


def test_epsilon_greedy_by_hand():
    # Posterior means 3/5, 1/2, 2/3: 9/10 on the third, and 1/30 each.
    np.testing.assert_allclose(
        probabilities(make("epsilon-greedy", 3), (2, 1), (0, 0), (1, 0)), [1 / 30, 1 / 30, 28 / 30], rtol=1e-5
    )
    for epsilon, expected in ((0.0, [0, 0, 1]), (1.0, [1 / 3, 1 / 3, 1 / 3])):
        learner = EpsilonGreedy(1, Discrete(3), epsilon=epsilon)
        np.testing.assert_allclose(probabilities(learner, (2, 1), (0, 0), (1, 0)), expected, atol=1e-6)
    with pytest.raises(ValueError, match=r"epsilon=1\.5 is not a probability"):
        EpsilonGreedy(1, Discrete(3), epsilon=1.5)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_decisions_are_finite(name):
    lifetimes, _ = lives(name)
    distribution = jax.tree.map(lambda x: x[:500], lifetimes.segments.decision.distribution)
    assert np.isfinite(distribution.logits).all()
    assert np.isfinite(distribution.entropy()).all()
    np.testing.assert_allclose(np.exp(distribution.logits).sum(axis=-1), 1.0, rtol=1e-5)


# Memory.


def test_memory_lasts_a_lifetime_and_not_an_episode():
    lifetimes, (_, begun) = lived(make("greedy"), BernoulliBandit(5, 10), 4, Protocol(2, 5, 2), jax.random.key(3))
    segments = lifetimes.segments  # [N, K=2, T=5, B=2, ...]
    assert segments.timestep.first.all()  # every pull is an episode of its own
    for leaf in (*begun, *(opened[:, 0] for opened in segments.memory)):
        np.testing.assert_array_equal(leaf, 0.0)
    # The second segment opens after five pulls, of which the last one is yet to be read.
    pulled = np.eye(5)[np.asarray(segments.action)[:, 0, :4]]  # [N, 4, B, arms]
    rewards = pulled * np.asarray(segments.reward)[:, 0, :4, :, None]
    np.testing.assert_array_equal(segments.memory.pulls[:, 1], pulled.sum(axis=1))
    np.testing.assert_array_equal(segments.memory.rewards[:, 1], rewards.sum(axis=1))


@pytest.mark.slow
@pytest.mark.parametrize("name", BANDIT_LEARNERS)
def test_decisions_follow_from_all_pulls_so_far(name):
    """The last decision of a lifetime is the one that the learner makes of the nine pulls before it, counted here."""
    segments = lives(name)[0].segments
    recorded = (segments.action, segments.reward, segments.decision.distribution.logits)
    action, reward, logits = (np.asarray(x[:200, 0, :, 0]) for x in recorded)  # [N, T, ...]
    pulled = np.eye(5, dtype=np.float32)[action[:, :9]]
    counts = Arms(pulled.sum(axis=1), (pulled * reward[:, :9, None]).sum(axis=1))
    expected = jax.vmap(make(name).choose)(counts).logits
    np.testing.assert_allclose(logits[:, 9], expected, atol=1e-5)


@pytest.mark.parametrize("name", BANDIT_LEARNERS)
def test_memory_keeps_its_types(name):
    inner = make(name)
    timestep = Timestep(
        observation=jnp.zeros(1, jnp.float32),
        previous_action=jnp.zeros(5, jnp.float32),
        previous_reward=jnp.zeros((), jnp.float32),
        first=jnp.ones((), bool),
        arrival=jnp.zeros(1, jnp.float32),
    )

    def first_step():
        _, memory = inner.begin((), 1, jax.random.key(0))
        return memory, inner.act((), (), jax.tree.map(lambda x: x[0], memory), timestep)[1]

    before, after = jax.eval_shape(first_step)
    for leaf in jax.tree.leaves(before):
        assert (leaf.shape, leaf.dtype, leaf.weak_type) == ((1, 5), jnp.float32, False)
    for leaf in jax.tree.leaves(after):
        assert (leaf.shape, leaf.dtype, leaf.weak_type) == ((5,), jnp.float32, False)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_replay_decides_as_it_did_when_it_lived(name):
    assert_replayed(make(name), *jax.tree.map(lambda x: x[:100], lives(name)))


# Random in a box, and mistakes.


def test_random_in_a_box():
    tasks = PointNavigation(horizon=20)
    inner = Random(tasks.observation_size, tasks.action_space)
    lifetimes, _ = lived(inner, tasks, 50, Protocol(1, 40, 3), jax.random.key(5))
    action = np.asarray(lifetimes.segments.action)
    assert action.shape == (50, 1, 40, 3, 2)
    # Uniform on [-1, 1] has mean 0 and variance 1/3; the variance of its square is 1/5 - 1/9 = 4/45.
    assert np.abs(action).max() <= 1.0
    assert abs(action.mean()) < 4 * math.sqrt(1 / 3 / action.size)
    assert np.square(action).mean() == pytest.approx(1 / 3, abs=4 * math.sqrt(4 / 45 / action.size))
    log_prob = lifetimes.segments.decision.distribution.log_prob(lifetimes.segments.action)
    np.testing.assert_allclose(log_prob, -2 * math.log(2.0), rtol=1e-6)


@pytest.mark.parametrize("name", BANDIT_LEARNERS)
def test_a_bandit_learner_needs_arms(name):
    with pytest.raises(ValueError, match=r"Continuous\(size=2\).*use it on a bandit, or Random"):
        LEARNERS[name](2, Continuous(2))
