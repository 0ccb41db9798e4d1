"""Bernoulli bandits."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.tasks.bernoulli_bandit import BernoulliBandit, EnvParams
from jmeta.tasks.splits import GRID
from jmeta.types import Discrete


def pulls(tasks, task, arm, n=20_000):
    _, state = tasks.reset(task, jax.random.key(0))
    pull = jax.jit(jax.vmap(lambda key: tasks.step(task, state, jnp.array(arm), key)))
    return pull(jax.random.split(jax.random.key(1), n))


@functools.cache
def probabilities(tasks):
    keys = jax.random.split(jax.random.key(2), 20_000)
    return np.asarray(jax.jit(jax.vmap(tasks.sample))(keys).probabilities, np.float64)


def test_sizes():
    tasks = BernoulliBandit(num_arms=5, num_pulls=10)
    assert (tasks.action_space, tasks.observation_size, tasks.horizon, tasks.lifetime_length) == (Discrete(5), 1, 1, 10)


@pytest.mark.parametrize(("arm", "probability"), [(0, 0.1), (1, 0.5), (2, 0.93)])
def test_an_arm_pays_one_with_its_own_probability(arm, probability):
    tasks = BernoulliBandit(num_arms=3)
    rewards = np.asarray(pulls(tasks, EnvParams(probabilities=jnp.array([0.1, 0.5, 0.93])), arm).reward)
    assert set(np.unique(rewards)) == {0.0, 1.0}
    assert abs(rewards.mean() - probability) / math.sqrt(probability * (1 - probability) / rewards.size) < 4


def test_arms_that_never_and_always_pay():
    tasks = BernoulliBandit(num_arms=2)
    task = EnvParams(probabilities=jnp.array([0.0, 1.0]))
    assert np.all(pulls(tasks, task, 0, 100).reward == 0.0)
    assert np.all(pulls(tasks, task, 1, 100).reward == 1.0)


def test_every_pull_is_an_episode_that_ends_by_itself_and_shows_nothing():
    tasks = BernoulliBandit()
    shown = []
    for arm, probability in enumerate([0.0, 1.0, 0.3]):
        task = EnvParams(probabilities=jnp.full(5, probability))
        observation, _ = tasks.reset(task, jax.random.key(arm))
        after = pulls(tasks, task, arm, 100)
        assert np.all(after.terminated)
        assert not np.any(after.truncated)
        shown += [observation, after.observation]
    assert len(np.unique(np.concatenate([np.reshape(x, -1) for x in shown]))) == 1


@pytest.mark.parametrize("split", ["train", "held-out"])
def test_probabilities_are_uniform_and_independent(split):
    p = probabilities(BernoulliBandit(split=split, num_arms=3))
    n = len(p)
    assert p.min() > 0.0
    assert p.max() < 1.0
    # Mean 1/2, variance 1/12; (p - 1/2)^2 has variance 1/180; the product of two centred ones has variance 1/144. z below 4.
    assert np.all(np.abs(p.mean(0) - 1 / 2) / math.sqrt(1 / 12 / n) < 4)
    assert np.all(np.abs(((p - 1 / 2) ** 2).mean(0) - 1 / 12) / math.sqrt(1 / 180 / n) < 4)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert abs(((p[:, i] - 1 / 2) * (p[:, j] - 1 / 2)).mean()) / math.sqrt(1 / 144 / n) < 4


def test_no_held_out_bandit_is_a_training_bandit():
    for tasks, parity in ((BernoulliBandit(), 0), (BernoulliBandit().held_out, 1)):
        cells = probabilities(tasks) * GRID - 0.5
        np.testing.assert_array_equal(cells % 2, parity)


def test_one_key_gives_unrelated_training_and_held_out_bandits():
    apart = np.abs(probabilities(BernoulliBandit()) - probabilities(BernoulliBandit().held_out)).reshape(-1)
    # Two independent uniforms are 1/3 apart on average, with variance 1/18.
    assert abs(apart.mean() - 1 / 3) / math.sqrt(1 / 18 / apart.size) < 4


@pytest.mark.parametrize(("num_arms", "optimum"), [(5, 6.65999), (10, 6.71395)])
def test_the_reference_is_the_bayes_optimum_of_anchor_a(num_arms, optimum):
    reference = BernoulliBandit(num_arms=num_arms).reference_return(10)
    assert (reference.label, reference.per) == ("Bayes optimum", "lifetime")
    assert reference.value == pytest.approx(optimum, abs=1e-4)


def test_the_reference_of_short_lifetimes_by_hand():
    two_arms = BernoulliBandit(num_arms=2)
    assert two_arms.reference_return(1).value == pytest.approx(1 / 2)
    # After a success (1/2) the arm is worth 2/3, after a failure the other arm's 1/2: 1/2 + (2/3 + 1/2) / 2 = 13/12.
    assert two_arms.reference_return(2).value == pytest.approx(13 / 12)
    # A third arm that is never needed changes nothing until three failures are possible: two pulls try two arms at most.
    assert BernoulliBandit(num_arms=3).reference_return(2).value == pytest.approx(13 / 12)


def test_the_reference_is_none_where_it_cannot_be_computed_in_seconds():
    assert BernoulliBandit().reference_return(500) is None
    assert BernoulliBandit(num_arms=10).reference_return(100) is None


def test_a_policy_that_learns_nothing_earns_half():
    tasks = BernoulliBandit()

    def first_arm(key):
        task_key, reset_key, *pull_keys = jax.random.split(key, 12)
        task = tasks.sample(task_key)
        _, state = tasks.reset(task, reset_key)
        return jax.vmap(lambda key: tasks.step(task, state, jnp.array(0), key).reward)(jnp.stack(pull_keys)).sum()

    earned = np.asarray(jax.jit(jax.vmap(first_arm))(jax.random.split(jax.random.key(3), 20_000)), np.float64)
    # Ten pulls of one p: uniform on 0 .. 10, so mean 5 and variance (11^2 - 1) / 12 = 10.
    assert abs(earned.mean() - 5) / math.sqrt(10 / earned.size) < 4
    assert abs(earned.var() - 10) < 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_arms": 1}, "num_arms=1: a bandit needs at least 2 arms"),
        ({"num_pulls": 0}, "num_pulls=0: a lifetime needs at least 1 pull"),
    ],
)
def test_mistakes_name_the_value(settings, message):
    with pytest.raises(ValueError, match=message):
        BernoulliBandit(**settings)


def test_there_is_no_out_of_distribution_split():
    assert not BernoulliBandit().has_out_of_distribution
    with pytest.raises(ValueError, match="no out-of-distribution tasks"):
        _ = BernoulliBandit().out_of_distribution
