"""Random tabular Markov decision processes."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.tasks import TabularMDP
from jmeta.tasks.tabular_mdp import EnvParams
from jmeta.types import Discrete

N = 20_000
KEYS = jax.random.split(jax.random.key(0), N)
SMALL = TabularMDP(num_states=3, num_actions=2, horizon=4, num_episodes=2)


@functools.cache
def samples(tasks):
    return jax.jit(jax.vmap(tasks.sample))(KEYS)


def small_task():
    transitions = jnp.array([[[0.5, 0.3, 0.2], [0.0, 0.0, 1.0]], [[0.0, 1.0, 0.0], [0.1, 0.9, 0.0]], [[1.0, 0.0, 0.0]] * 2])
    return EnvParams(
        transitions=transitions, mean_rewards=jnp.array([[1.0, -2.0], [0.0, 3.0], [5.0, 0.0]]), max_steps_in_episode=4
    )


def test_sizes_are_those_of_anchor_b():
    tasks = TabularMDP()
    assert (tasks.action_space, tasks.observation_size, tasks.horizon, tasks.lifetime_length) == (Discrete(5), 10, 10, 100)
    task = tasks.sample(jax.random.key(0))
    assert (task.transitions.shape, task.mean_rewards.shape) == ((10, 5, 10), (10, 5))


def test_an_episode_begins_in_state_zero_and_shows_the_state():
    for key in KEYS[:5]:
        observation, state = SMALL.reset(small_task(), key)
        np.testing.assert_array_equal(observation, [1.0, 0.0, 0.0])
        after = SMALL.step(small_task(), state, jnp.array(1), key)  # action 1 in state 0 leads to state 2
        np.testing.assert_array_equal(after.observation, [0.0, 0.0, 1.0])
        assert int(after.state.position) == 2


def test_an_episode_ends_at_the_time_limit_only():
    ends = []
    _, state = SMALL.reset(small_task(), KEYS[0])
    for key in KEYS[:4]:
        after = SMALL.step(small_task(), state, jnp.array(0), key)
        ends.append((bool(after.terminated), bool(after.truncated)))
        state = after.state
    assert ends == 3 * [(False, False)] + [(False, True)]


@pytest.mark.parametrize(("state", "action"), [(0, 0), (1, 1), (2, 0)])
def test_steps_follow_the_transitions_and_pay_the_mean_with_unit_noise(state, action):
    task = small_task()
    _, start = SMALL.reset(task, KEYS[0])
    at = start.replace(position=jnp.array(state))
    after = jax.jit(jax.vmap(lambda key: SMALL.step(task, at, jnp.array(action), key)))(KEYS)
    p = np.asarray(task.transitions[state, action], np.float64)
    counts = np.asarray(after.observation.sum(0), np.float64)
    assert np.all(counts[p == 0] == 0)
    assert np.all(np.abs(counts / N - p) <= 4 * np.sqrt(p * (1 - p) / N) + 1e-6)
    reward = np.asarray(after.reward, np.float64) - float(task.mean_rewards[state, action])
    # N(0, 1) noise, whose square has variance 2, and which does not depend on where the step led. z below 4.
    assert abs(reward.mean()) * math.sqrt(N) < 4
    assert abs((reward**2).mean() - 1) / math.sqrt(2 / N) < 4
    if p[0] not in (0.0, 1.0):
        assert abs(np.corrcoef(reward, after.observation[:, 0])[0, 1]) * math.sqrt(N) < 4


@pytest.mark.parametrize("split", ["train", "held-out"])
def test_the_prior_is_dirichlet_and_normal(split):
    task = samples(TabularMDP(num_states=3, num_actions=2, split=split))
    p, r = np.asarray(task.transitions, np.float64), np.asarray(task.mean_rewards, np.float64)
    np.testing.assert_allclose(p.sum(-1), 1.0, rtol=1e-5)
    # Dirichlet(1, 1, 1): each is Beta(1, 2), mean 1/3, variance 1/18; E p_i p_j = 1/12, and its variance is below 1/100.
    assert np.all(np.abs(p.mean(0) - 1 / 3) / math.sqrt(1 / 18 / N) < 4.5)
    assert np.all(np.abs((p[..., 0] * p[..., 1]).mean(0) - 1 / 12) / math.sqrt(1 / 100 / N) < 4)
    # Mean rewards N(1, 1); rows of different states and actions have nothing to do with each other.
    assert np.all(np.abs(r.mean(0) - 1) * math.sqrt(N) < 4)
    assert np.all(np.abs(((r - 1) ** 2).mean(0) - 1) / math.sqrt(2 / N) < 4)
    assert abs(np.corrcoef(p[:, 0, 0, 0], p[:, 1, 0, 0])[0, 1]) * math.sqrt(N) < 4
    assert abs(np.corrcoef(p[:, 0, 0, 0], r[:, 0, 0])[0, 1]) * math.sqrt(N) < 4


def test_no_held_out_process_is_a_training_process():
    train, held_out = (samples(tasks).mean_rewards for tasks in (SMALL, SMALL.held_out))
    assert not np.intersect1d(train, held_out).size


def test_knowing_the_process_by_hand():
    # Two steps to go in state 1: action 1 pays 3 and stays with 0.9: 3 + 0.9 * 3 + 0.1 * max(1, -2) = 5.8.
    # From state 0 with two steps: action 0 pays 1, then 0.5 * 1 + 0.3 * 3 + 0.2 * 5 = 2.4: 3.4; action 1: -2 + 5 = 3.
    # With one step, 1. So three steps of a lifetime with episodes of two earn 3.4 + 1.
    tasks = TabularMDP(num_states=3, num_actions=2, horizon=2)
    assert float(tasks.oracle_return(small_task(), 2)) == pytest.approx(3.4)
    assert float(tasks.oracle_return(small_task(), 3)) == pytest.approx(4.4)
    assert float(tasks.oracle_return(small_task(), 6)) == pytest.approx(3 * 3.4)


def test_knowing_the_process_is_worth_what_anchor_b_says():
    tasks = TabularMDP().held_out
    returns = np.asarray(jax.jit(jax.vmap(lambda key: tasks.oracle_return(tasks.sample(key), 100)))(KEYS), np.float64)
    # 218.2 is rounded to 0.05; z below 4 beyond that.
    assert abs(returns.mean() - 218.2) < 0.05 + 4 * returns.std() / math.sqrt(N)


@pytest.mark.parametrize("setting", ["num_states", "num_actions", "horizon", "num_episodes"])
def test_mistakes_name_the_value(setting):
    with pytest.raises(ValueError, match=f"{setting}=0: give at least"):
        TabularMDP(**{setting: 0})
