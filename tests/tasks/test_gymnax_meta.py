"""gymnax's own meta-learning environments."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.tasks import GymnaxBernoulliBandit, GymnaxGaussianBandit, GymnaxMetaMaze, GymnaxPointRobot

N = 10_000
KEYS = jax.random.split(jax.random.key(0), N)
ALL = [GymnaxBernoulliBandit(), GymnaxGaussianBandit(), GymnaxPointRobot(), GymnaxMetaMaze()]


@functools.cache
def held(tasks):
    return jax.tree.map(np.asarray, jax.jit(jax.vmap(tasks.sample))(KEYS).held)


@pytest.mark.parametrize(("tasks", "horizon"), list(zip(ALL, (100, 100, 100, 200), strict=True)))
def test_one_episode_is_one_lifetime(tasks, horizon):
    assert (tasks.horizon, tasks.lifetime_length) == (horizon, horizon)


@pytest.mark.parametrize("tasks", ALL, ids=lambda tasks: tasks.name)
def test_the_task_is_drawn_as_gymnax_s_reset_draws_it(tasks):
    _, states = jax.jit(jax.vmap(lambda key: tasks.environment.reset_env(key, tasks.environment.default_params)))(KEYS)
    for name, drawn in held(tasks).items():
        # Two samples of N: means within four standard errors, over every number that makes up the field.
        theirs = np.asarray(getattr(states, name), np.float64)
        error = np.sqrt((theirs.var(0) + drawn.astype(np.float64).var(0)) / N)
        assert np.all(np.abs(theirs.mean(0) - drawn.mean(0)) <= 4 * error + 1e-6)


@pytest.mark.parametrize("tasks", ALL, ids=lambda tasks: tasks.name)
def test_the_task_is_held_from_reset_to_reset(tasks):
    task = tasks.sample(KEYS[0])
    action = jnp.zeros(2) if tasks is ALL[2] else jnp.array(0)
    for key in KEYS[:3]:
        _, state = tasks.reset(task, key)
        after = tasks.step(task, state, action, key)
        for name, value in task.held.items():
            np.testing.assert_array_equal(getattr(state, name), value)
            np.testing.assert_array_equal(getattr(after.state, name), value)


@pytest.mark.parametrize("tasks", ALL, ids=lambda tasks: tasks.name)
def test_nothing_is_held_out(tasks):
    with pytest.raises(ValueError, match="trains on all tasks, as published: evaluate on the training split"):
        _ = tasks.held_out


def test_the_bernoulli_bandit_s_optimum_is_anchor_e_s():
    tasks = GymnaxBernoulliBandit()
    assert tasks.reference_return(100).value == pytest.approx(89.375, abs=5e-4)
    probabilities = held(tasks)["reward_probs"].astype(np.float64)
    assert {tuple(pair) for pair in np.round(probabilities, 6).tolist()} == {(0.1, 0.9), (0.9, 0.1)}
    task = tasks.sample(KEYS[0])
    assert float(tasks.oracle_return(task, 100)) == pytest.approx(90.0, rel=1e-6)
    np.testing.assert_array_equal(tasks.describe(task), task.held["reward_probs"])


def test_the_gaussian_bandit_s_optimum():
    tasks = GymnaxGaussianBandit()
    # One pull is worth its mean, -1, which is less than nothing.
    assert tasks.reference_return(1).value == 0.0
    # E max(x, 0) of N(-1, s²) is s phi(1 / s) - Phi(-1 / s). Knowing mu after the first pull, s = 1, would earn
    # 99 (0.241971 - 0.158655) - 1 = 7.2482; deciding for good by the posterior mean after it, s² = 1 / 1.01, earns
    # 99 (0.995037 * 0.240764 - 0.157451) - 1 = 7.1296.
    assert 7.1297 < tasks.reference_return(100).value < 7.2482


def test_the_gaussian_bandit_pays_nothing_or_about_mu():
    tasks = GymnaxGaussianBandit()
    mu = held(tasks)["mu"].astype(np.float64)
    assert abs(mu.mean() + 1) * math.sqrt(N) < 4  # N(-1, 1)
    assert abs(((mu + 1) ** 2).mean() - 1) / math.sqrt(2 / N) < 4
    task = tasks.sample(KEYS[0])._replace(held={"mu": jnp.array(0.25)})
    assert float(tasks.oracle_return(task, 100)) == 25.0
    _, state = tasks.reset(task, KEYS[0])
    for arm, mean, noise in ((0, 0.0, 0.0), (1, 0.25, 0.1)):
        reward = np.asarray(jax.vmap(lambda key, arm=arm: tasks.step(task, state, jnp.array(arm), key).reward)(KEYS), np.float64)
        assert abs(reward.mean() - mean) <= 4 * noise / math.sqrt(N)
        assert reward.std() == pytest.approx(noise, rel=0.05)


def test_the_point_robot_is_paid_for_where_it_was_before_the_move():
    tasks = GymnaxPointRobot()
    task = tasks.sample(KEYS[0])._replace(held={"goal": jnp.array([0.0, 1.0])})
    _, state = tasks.reset(task, KEYS[0])
    near, there = state.replace(pos=jnp.array([0.0, 0.75])), state.replace(pos=jnp.array([0.0, 0.85]))
    for at, reward in ((near, 0.0), (there, 1.0)):  # 0.25 and 0.15 away before a move of 0.1 to it
        assert float(tasks.step(task, at, jnp.array([0.0, 1.0]), KEYS[1]).reward) == reward
    # Off the goal it moves by 0.1; from the goal it is put somewhere else.
    np.testing.assert_allclose(tasks.step(task, near, jnp.array([0.0, 1.0]), KEYS[1]).state.pos, [0.0, 0.85], rtol=1e-6)
    assert float(jnp.abs(tasks.step(task, there, jnp.array([0.0, 1.0]), KEYS[1]).state.pos - jnp.array([0.0, 0.95])).max()) > 0.01
    goals = held(tasks)["goal"]
    np.testing.assert_allclose(np.linalg.norm(goals, axis=1), 1.0, rtol=1e-5)
    assert goals[:, 1].min() >= 0


def test_the_maze_pays_ten_and_may_end_by_putting_the_agent_on_the_goal():
    tasks = GymnaxMetaMaze()
    assert len(np.unique(held(tasks)["goal"], axis=0)) == 40  # 7 * 7 cells but 9 walls
    task = tasks.sample(KEYS[0])._replace(held={"goal": jnp.array([2, 3])})
    _, state = tasks.reset(task, KEYS[0])
    beside = state.replace(pos=jnp.array([2, 2]))
    after = jax.jit(jax.vmap(lambda key: tasks.step(task, beside, jnp.array(1), key)))(KEYS)  # one to the right
    assert np.all(after.reward == 10.0)
    put = np.asarray(after.state.pos)
    np.testing.assert_array_equal(after.terminated, np.all(put == [2, 3], axis=1))
    # One of 40 cells: z below 4.
    assert abs(np.mean(after.terminated) - 1 / 40) / math.sqrt(39 / 1600 / N) < 4
    np.testing.assert_allclose(tasks.describe(task), [-1.0, -2 / 3], rtol=1e-6)  # row 0 and column 1 of 7: 1 / 3 - 1


@pytest.mark.parametrize("setting", ["maze_size", "receptive_field"])
def test_mistakes_name_the_value(setting):
    for value in (1, 4):
        with pytest.raises(ValueError, match=f"{setting}={value}: give an odd number, at least 3"):
            GymnaxMetaMaze(**{setting: value})
