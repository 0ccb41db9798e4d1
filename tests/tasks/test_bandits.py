"""The other bandits: dependent arms, two tasks, Gaussian rewards."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.tasks import DependentBandit, GaussianBandit, TwoTaskBandit
from jmeta.tasks.gaussian_bandit import EnvParams
from jmeta.tasks.splits import GRID
from jmeta.types import Discrete

N = 20_000
KEYS = jax.random.split(jax.random.key(0), N)


@functools.cache
def samples(tasks):
    return jax.jit(jax.vmap(tasks.sample))(KEYS)


def pull(tasks, task, arm):
    """N pulls of one arm of one task."""
    _, state = tasks.reset(task, KEYS[0])
    return jax.jit(jax.vmap(lambda key: tasks.step(task, state, jnp.array(arm), key)))(KEYS)


def two_armed_optimum(prior, num_pulls):
    """Bayes-optimal return of two arms by search over histories; prior is a list of (weight, (p of arm 0, p of arm 1))."""

    @functools.cache
    def best(counts, pulls):  # counts: (successes, failures) of arm 0, then of arm 1; weighted by their probability
        if pulls == 0:
            return 0.0
        weights = [w * p ** counts[0] * (1 - p) ** counts[1] * q ** counts[2] * (1 - q) ** counts[3] for w, (p, q) in prior]
        options = []
        for arm in (0, 1):
            won, lost = (tuple(c + (i == 2 * arm + j) for i, c in enumerate(counts)) for j in (0, 1))
            now = sum(w * pair[arm] for w, (_, pair) in zip(weights, prior, strict=True))
            options.append(now + best(won, pulls - 1) + best(lost, pulls - 1))
        return max(options)

    return best((0, 0, 0, 0), num_pulls)


# Dependent arms.


def test_the_second_arm_pays_when_the_first_does_not():
    tasks = DependentBandit()
    assert (tasks.action_space, tasks.observation_size, tasks.horizon, tasks.lifetime_length) == (Discrete(2), 1, 1, 100)
    for split in (tasks, tasks.held_out):
        p = np.asarray(samples(split).probabilities, np.float64)
        np.testing.assert_allclose(p.sum(1), 1.0, rtol=1e-6)
        # Uniform: mean 1/2, variance 1/12, and (p - 1/2)^2 has variance 1/180. z below 4.
        assert abs(p[:, 0].mean() - 1 / 2) / math.sqrt(1 / 12 / N) < 4
        assert abs(((p[:, 0] - 1 / 2) ** 2).mean() - 1 / 12) / math.sqrt(1 / 180 / N) < 4


def test_no_held_out_probability_is_a_training_probability():
    for tasks, parity in ((DependentBandit(), 0), (DependentBandit().held_out, 1)):
        cells = np.asarray(samples(tasks).probabilities[:, 0], np.float64) * GRID - 0.5
        np.testing.assert_array_equal(cells % 2, parity)


@pytest.mark.parametrize("num_pulls", [1, 2, 5])
def test_the_dependent_reference_is_the_optimum_over_histories(num_pulls):
    # 200 midpoints stand for the uniform prior: exact to about 1 / 200^2 for polynomials of degree 5.
    midpoints = [(i + 0.5) / 200 for i in range(200)]
    optimum = two_armed_optimum([(1 / 200, (p, 1 - p)) for p in midpoints], num_pulls)
    assert DependentBandit().reference_return(num_pulls).value == pytest.approx(optimum, abs=2e-4)


def test_dependent_regret_of_anchor_a():
    # Knowing p earns E max(p, 1 - p) = 3/4 a pull.
    assert 75 - DependentBandit().reference_return(100).value == pytest.approx(1.221, abs=5e-4)


# Two tasks.


def test_each_of_the_two_tasks_is_drawn_half_of_the_time():
    first = np.asarray(samples(TwoTaskBandit(low=0.25)).probabilities[:, 0], np.float64)
    assert set(np.unique(first)) == {0.25, 0.75}
    # z of a fair coin below 4.
    assert abs((first > 0.5).mean() - 1 / 2) / math.sqrt(1 / 4 / N) < 4


@pytest.mark.parametrize(("arm", "probability"), [(0, 0.9), (1, 0.1)])
def test_an_arm_pays_one_with_its_own_probability(arm, probability):
    tasks = TwoTaskBandit()
    index = int(np.argmax(samples(tasks).probabilities[:, 0]))
    task = jax.tree.map(lambda x: x[index], samples(tasks))
    rewards = np.asarray(pull(tasks, task, arm).reward)
    assert set(np.unique(rewards)) == {0.0, 1.0}
    assert abs(rewards.mean() - probability) / math.sqrt(0.09 / N) < 4
    assert float(tasks.describe(task)[0]) == 1.0
    assert float(tasks.oracle_return(task, 100)) == pytest.approx(90.0)


@pytest.mark.parametrize(("low", "num_pulls"), [(0.1, 1), (0.1, 2), (0.4, 5)])
def test_the_two_task_reference_is_the_optimum_over_histories(low, num_pulls):
    optimum = two_armed_optimum([(0.5, (low, 1 - low)), (0.5, (1 - low, low))], num_pulls)
    assert TwoTaskBandit(low=low).reference_return(num_pulls).value == pytest.approx(optimum, abs=1e-12)


def test_two_task_regret_of_anchor_a():
    assert 90 - TwoTaskBandit().reference_return(100).value == pytest.approx(0.625, abs=5e-4)


def test_two_tasks_cannot_be_split():
    assert not TwoTaskBandit().has_held_out
    with pytest.raises(ValueError, match="TwoTaskBandit has two tasks and none to hold out: evaluate on the training split"):
        _ = TwoTaskBandit().held_out


# Gaussian rewards.


@pytest.mark.parametrize("split", ["train", "held-out"])
def test_means_are_standard_normal_and_independent(split):
    means = np.asarray(samples(GaussianBandit(num_arms=3, split=split)).means, np.float64)
    assert np.isfinite(means).all()
    # N(0, 1): x^2 has variance 2, x^4 mean 3 and variance 96, a product of two variance 1. z below 4.
    assert np.all(np.abs(means.mean(0)) * math.sqrt(N) < 4)
    assert np.all(np.abs((means**2).mean(0) - 1) / math.sqrt(2 / N) < 4)
    assert np.all(np.abs((means**4).mean(0) - 3) / math.sqrt(96 / N) < 4)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert abs((means[:, i] * means[:, j]).mean()) * math.sqrt(N) < 4


def test_no_held_out_mean_is_a_training_mean():
    train, held_out = (np.unique(samples(tasks).means) for tasks in (GaussianBandit(), GaussianBandit().held_out))
    assert not np.intersect1d(train, held_out).size


def test_a_gaussian_arm_pays_its_mean_with_noise():
    tasks = GaussianBandit(num_arms=3)
    task = EnvParams(means=jnp.array([-1.0, 0.5, 2.0]), noise=jnp.array(0.5))
    for arm, mean in enumerate([-1.0, 0.5, 2.0]):
        rewards = np.asarray(pull(tasks, task, arm).reward, np.float64)
        assert abs(rewards.mean() - mean) / (0.5 / math.sqrt(N)) < 4
        # (x - mean)^2 has mean 1/4 and variance 2 / 16.
        assert abs(((rewards - mean) ** 2).mean() - 0.25) / math.sqrt(0.125 / N) < 4
    assert float(tasks.oracle_return(task, 7)) == 14.0
    np.testing.assert_array_equal(tasks.describe(task), task.means)


def test_every_pull_is_an_episode_that_ends_by_itself_and_shows_nothing():
    tasks = GaussianBandit(num_arms=2)
    after = pull(tasks, EnvParams(means=jnp.array([-1.0, 1.0])), 1)
    assert np.all(after.terminated)
    assert not np.any(after.truncated)
    assert np.all(after.observation == 1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianBandit(num_arms=1), "num_arms=1: a bandit needs at least 2 arms"),
        (lambda: GaussianBandit(num_pulls=0), "num_pulls=0: a lifetime needs at least 1 pull"),
        (lambda: GaussianBandit(noise=-1.0), "noise=-1.0: a standard deviation is at least 0"),
        (lambda: DependentBandit(num_pulls=0), "num_pulls=0: a lifetime needs at least 1 pull"),
        (lambda: TwoTaskBandit(low=0.5), "low=0.5: the worse arm pays"),
    ],
)
def test_mistakes_name_the_value(make, message):
    with pytest.raises(ValueError, match=message):
        make()
