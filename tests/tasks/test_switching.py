"""Tasks that change once within a lifetime."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta import lifetime
from jmeta.references import Random
from jmeta.tasks import BernoulliBandit, CartPole, GridNavi, TabularMDP, TwoTaskBandit
from jmeta.tasks.bernoulli_bandit import EnvParams
from jmeta.tasks.grid_environment import EnvParams as GridParams
from jmeta.tasks.switching import Switching, SwitchingTask

KEY = jax.random.key(0)


def bandit(*probabilities):
    return EnvParams(probabilities=jnp.array(probabilities), max_steps_in_episode=jnp.array(1))


def goal(x, y, horizon=4):
    return GridParams(targets=jnp.array([[x, y]], jnp.int32), max_steps_in_episode=jnp.array(horizon))


def live(tasks, task, actions):
    """Transitions [T] of a lifetime in which episodes are started anew as they end."""

    def step(carry, inputs):
        state, key = carry
        action, t = inputs
        after = tasks.step(task, state, action, jax.random.fold_in(key, t))
        _, fresh = tasks.restart(task, after.state, jax.random.fold_in(key, -t))
        done = after.terminated | after.truncated
        return (jax.tree.map(lambda a, b: jnp.where(done, a, b), fresh, after.state), key), after

    actions = jnp.array(actions)
    start = (tasks.reset(task, KEY)[1], KEY)
    return jax.jit(lambda: jax.lax.scan(step, start, (actions, jnp.arange(len(actions))))[1])()


def test_the_task_changes_at_the_step_and_not_with_the_episode():
    tasks = Switching(BernoulliBandit(num_arms=2), at_step=3)
    rewards = live(tasks, SwitchingTask(bandit(1.0, 0.0), bandit(0.0, 1.0)), 7 * [0]).reward
    np.testing.assert_array_equal(rewards, [1, 1, 1, 0, 0, 0, 0])


def test_an_episode_under_way_goes_on_in_the_second_task():
    # At step 6 the second episode of 4 steps has done two; the goal moves from (2, 0) to (0, 0), the agent stays where it is.
    tasks = Switching(GridNavi(horizon=4), at_step=6)
    right, stay, left = 2, 0, 4
    after = live(tasks, SwitchingTask(goal(2, 0), goal(0, 0)), [right, right, stay, stay, right, right, left, left, stay])
    np.testing.assert_allclose(after.reward, [-0.1, 1, 1, 1, -0.1, 1, -0.1, 1, 1], rtol=1e-6)
    np.testing.assert_array_equal(after.truncated, [0, 0, 0, 1, 0, 0, 0, 1, 0])
    np.testing.assert_array_equal(after.state.steps, np.arange(1, 10))
    np.testing.assert_array_equal(after.state.state.time, [1, 2, 3, 4, 1, 2, 3, 4, 1])


def test_rollouts_switch():
    tasks = Switching(BernoulliBandit(num_arms=2), at_step=5)
    inner = Random(tasks.observation_size, tasks.action_space)
    task = SwitchingTask(bandit(1.0, 1.0), bandit(0.0, 0.0))
    life = lifetime.start(tasks, task, inner.begin((), 3, KEY), num_streams=3, key=KEY)
    _, lived = lifetime.live(inner, tasks, (), life, num_segments=2, length=4, key=KEY)
    np.testing.assert_array_equal(lived.segments.reward[..., 0].reshape(-1), [1, 1, 1, 1, 1, 0, 0, 0])


def test_both_tasks_are_drawn_independently_from_the_split():
    for tasks in (Switching(BernoulliBandit(num_arms=2), at_step=3), Switching(BernoulliBandit(num_arms=2), at_step=3).held_out):
        drawn = jax.jit(jax.vmap(tasks.sample))(jax.random.split(KEY, 20_000))
        before, after = (np.asarray(x.probabilities[:, 0], np.float64) for x in drawn)
        # Independent uniforms: no correlation, 1/3 apart on average with variance 1/18. z below 4.
        assert abs(np.corrcoef(before, after)[0, 1]) * np.sqrt(before.size) < 4
        assert abs(np.abs(before - after).mean() - 1 / 3) / np.sqrt(1 / 18 / before.size) < 4
        for values in (before, after):
            np.testing.assert_array_equal((values * 2**20 - 0.5) % 2, tasks.split == "held-out")


def test_the_wrapped_distribution_s_sizes_and_splits():
    tasks = Switching(TabularMDP(), at_step=50)
    assert (tasks.observation_size, tasks.action_space, tasks.horizon, tasks.lifetime_length) == (
        TabularMDP().observation_size,
        TabularMDP().action_space,
        10,
        100,
    )
    assert tasks.held_out.tasks.split == "held-out"
    assert Switching(CartPole(), at_step=1).out_of_distribution.tasks.split == "ood"
    with pytest.raises(ValueError, match="TwoTaskBandit has two tasks"):
        _ = Switching(TwoTaskBandit(), at_step=1).held_out
    with pytest.raises(ValueError, match="at_step=0: the first task lasts at least 1 step"):
        Switching(TabularMDP(), at_step=0)


def test_knowing_both_tasks():
    task = SwitchingTask(bandit(0.2, 0.6), bandit(0.9, 0.1))
    tasks = Switching(BernoulliBandit(num_arms=2), at_step=3)
    for num_steps, value in ((2, 2 * 0.6), (3, 3 * 0.6), (5, 3 * 0.6 + 2 * 0.9)):
        assert float(tasks.oracle_return(task, num_steps)) == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(tasks.describe(task), [0.2, 0.6, 0.9, 0.1])
    assert Switching(TabularMDP(), at_step=15).oracle_return(None, 100) is None  # within an episode
    assert Switching(CartPole(), at_step=500).oracle_return(SwitchingTask(None, None), 1000) is None
