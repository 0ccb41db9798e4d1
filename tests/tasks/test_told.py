"""Tasks told to the agent."""

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.tasks import BernoulliBandit, GridNavi, Switching, ToldTasks

KEY = jax.random.key(0)


def test_every_observation_ends_with_the_task() -> None:
    tasks, plain = ToldTasks(GridNavi()), GridNavi()
    assert tasks.observation_size == plain.observation_size + 2
    task = tasks.sample(KEY)
    told = plain.describe(task)
    observation, state = tasks.reset(task, KEY)
    np.testing.assert_array_equal(observation[-2:], told)
    np.testing.assert_array_equal(observation[:-2], plain.reset(task, KEY)[0])
    after = tasks.step(task, state, jnp.int32(1), KEY)
    np.testing.assert_array_equal(after.observation[-2:], told)
    again, _ = tasks.restart(task, after.state, KEY)
    np.testing.assert_array_equal(again[-2:], told)


def test_two_tasks_are_told_apart_and_the_split_is_the_other_s() -> None:
    tasks = ToldTasks(BernoulliBandit(num_arms=2)).held_out
    assert tasks.tasks.split == "held-out"
    described = [np.asarray(tasks.describe(tasks.sample(jax.random.key(seed)))) for seed in (1, 2)]
    assert np.abs(described[0] - described[1]).max() > 1e-3
    np.testing.assert_array_equal((described[0] * 2**20 - 0.5) % 2, 1)  # cells of the grid that training never draws


def test_what_switches_is_told_with_both_tasks() -> None:
    tasks = ToldTasks(Switching(BernoulliBandit(num_arms=2), at_step=2))
    task = tasks.sample(KEY)
    observation, _ = tasks.reset(task, KEY)
    np.testing.assert_array_equal(observation[1:], np.concatenate([task.before.probabilities, task.after.probabilities]))
