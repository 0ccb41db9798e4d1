"""2-D navigation, its arithmetic done by hand."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.tasks.point_navigation import EnvParams, PointNavigation, SparsePointNavigation
from jmeta.tasks.splits import GRID
from jmeta.types import Continuous

KEY = jax.random.key(0)  # where nothing is random


def task_with(goal, horizon=100):
    return EnvParams(goal=jnp.array(goal, jnp.float32), max_steps_in_episode=horizon)


def walk(tasks, task, actions):
    """The transitions of one episode under given actions."""
    step = jax.jit(tasks.step)
    _, state = tasks.reset(task, KEY)
    transitions = []
    for action in actions:
        transitions.append(step(task, state, jnp.array(action), KEY))
        state = transitions[-1].state
    return transitions


def step_from(tasks, task, position, action=(0.0, 0.0), time=0):
    """One step from a chosen position."""
    _, state = tasks.reset(task, KEY)
    return tasks.step(task, state.replace(position=jnp.array(position), time=jnp.array(time)), jnp.array(action), KEY)


def mean_return(tasks, policy, num_tasks=4096):
    """Mean and standard error of an episode's return, over sampled tasks, of a policy (position, goal) -> action."""

    def episode(key):
        task = tasks.sample(key)
        _, state = tasks.reset(task, KEY)

        def step(carry, _):
            state, over = carry
            after = tasks.step(task, state, policy(state.position, task.goal), KEY)
            return (after.state, over | after.terminated | after.truncated), jnp.where(over, 0.0, after.reward)

        return jax.lax.scan(step, (state, jnp.array(False)), length=tasks.horizon)[1].sum()

    returns = np.asarray(jax.jit(jax.vmap(episode))(jax.random.split(jax.random.key(5), num_tasks)), np.float64)
    return returns.mean(), returns.std() / math.sqrt(num_tasks)


def straight(position, goal):
    """Each axis towards the goal at full speed: 0.1 is the action 1."""
    return jnp.clip((goal - position) / 0.1, -1.0, 1.0)


def still(position, goal):
    return jnp.zeros(2)


# Dense.


def test_an_episode_begins_at_the_origin_and_shows_the_position_only():
    tasks = PointNavigation()
    observation, state = tasks.reset(task_with([0.3, -0.25]), KEY)
    np.testing.assert_array_equal(observation, [0.0, 0.0])
    assert int(state.time) == 0
    assert (tasks.observation_size, tasks.action_space, tasks.horizon, tasks.lifetime_length) == (2, Continuous(2), 100, 100)
    elsewhere, _ = tasks.reset(task_with([-0.1, 0.4]), KEY)
    np.testing.assert_array_equal(observation, elsewhere)


def test_dense_reward_is_minus_the_distance_after_the_move():
    one, two, three = walk(PointNavigation(), task_with([0.3, -0.25]), [(1.0, -1.0), (1.0, -1.0), (1.0, -0.5)])
    # (0.1, -0.1) is (0.2, 0.15) away: 0.25. Before the move it would have been sqrt(0.09 + 0.0625) = 0.3905.
    np.testing.assert_allclose(one.reward, -0.25, rtol=1e-6)
    np.testing.assert_allclose(one.observation, [0.1, -0.1], rtol=1e-6)
    # (0.2, -0.2) is (0.1, 0.05) away: sqrt(0.01 + 0.0025) = 0.1118034.
    np.testing.assert_allclose(two.reward, -0.1118034, rtol=1e-5)
    # (0.3, -0.25): there.
    np.testing.assert_allclose(three.reward, 0.0, atol=1e-7)
    assert [bool(t.terminated) for t in (one, two, three)] == [False, False, True]
    assert not any(bool(t.truncated) for t in (one, two, three))


def test_a_move_is_a_tenth_per_axis_and_step_at_most():
    far, diagonal = walk(PointNavigation(), task_with([0.5, 0.5]), [(7.0, 0.5), (0.0, -3.0)])
    np.testing.assert_allclose(far.observation, [0.1, 0.05], rtol=1e-6)
    np.testing.assert_allclose(diagonal.observation, [0.1, -0.05], rtol=1e-6)


@pytest.mark.parametrize(
    ("offset", "arrived"),
    [
        ((0.009, 0.009), True),  # 0.0127 away, yet within 0.01 on each axis
        ((-0.009, 0.0), True),
        ((0.011, 0.0), False),
        ((0.0, -0.011), False),
        ((0.005, 0.2), False),
    ],
)
def test_a_dense_episode_ends_within_a_hundredth_on_both_axes(offset, arrived):
    after = step_from(PointNavigation(), task_with([0.2, 0.1]), [0.2 + offset[0], 0.1 + offset[1]])
    assert bool(after.terminated) == arrived
    np.testing.assert_allclose(after.reward, -math.hypot(*offset), rtol=1e-3)


@pytest.mark.parametrize(
    ("time", "action", "terminated", "truncated"),
    [
        (98, (0.0, 0.0), False, False),  # the 99th step
        (99, (0.0, 0.0), False, True),  # the 100th
        (99, (1.0, 0.0), True, False),  # arrives at the last moment
    ],
)
def test_a_dense_episode_has_a_hundred_steps_at_most(time, action, terminated, truncated):
    after = step_from(PointNavigation(), task_with([0.3, 0.0]), [0.2, 0.0], action, time)
    assert (bool(after.terminated), bool(after.truncated)) == (terminated, truncated)


def test_the_horizon_is_a_setting():
    tasks = PointNavigation(horizon=7)
    task = tasks.sample(jax.random.key(0))
    assert (tasks.horizon, tasks.lifetime_length, int(task.max_steps_in_episode)) == (7, 7, 7)
    ends = [bool(t.truncated) for t in walk(tasks, task_with([0.5, 0.5], horizon=7), 7 * [(0.0, 0.0)])]
    assert ends == 6 * [False] + [True]


@functools.cache
def goals(tasks):
    keys = jax.random.split(jax.random.key(1), 40_000)
    return np.asarray(jax.jit(jax.vmap(lambda key: tasks.sample(key).goal))(keys), np.float64)


@pytest.mark.parametrize("split", ["train", "held-out"])
def test_dense_goals_are_uniform_on_the_square(split):
    drawn = goals(PointNavigation(split=split))
    assert np.abs(drawn).max() < 0.5
    n = len(drawn)
    # Mean 0 and variance 1/12 on each axis, x^2 with variance 1/180, and xy with mean 0 and variance 1/144. z below 4.
    assert np.all(np.abs(drawn.mean(0)) / math.sqrt(1 / 12 / n) < 4)
    assert np.all(np.abs((drawn**2).mean(0) - 1 / 12) / math.sqrt(1 / 180 / n) < 4)
    assert abs(drawn.prod(1).mean()) / math.sqrt(1 / 144 / n) < 4


def test_no_held_out_goal_is_a_training_goal():
    # goal = u - 0.5 loses no bit, so its cell can be read off it: even in training, odd held out, on both axes.
    for tasks, parity in ((PointNavigation(), 0), (PointNavigation().held_out, 1)):
        cells = (goals(tasks) + 0.5) * GRID - 0.5
        np.testing.assert_array_equal(cells % 2, parity)


def test_one_key_gives_unrelated_training_and_held_out_goals():
    apart = np.linalg.norm(goals(PointNavigation()) - goals(PointNavigation().held_out), axis=-1)
    # Two independent points of a unit square are 0.5214 apart on average, with standard deviation 0.2479.
    assert abs(apart.mean() - 0.5214) / (0.2479 / math.sqrt(apart.size)) < 4
    assert np.mean(apart < 1e-3) < 1e-3


def test_out_of_distribution_goals_are_uniform_on_the_frame_around_the_square():
    drawn = goals(PointNavigation().out_of_distribution)
    n = len(drawn)
    furthest = np.abs(drawn).max(1)
    assert furthest.min() > 0.5
    assert furthest.max() < 0.75
    # The frame's area is 1.5^2 - 1 = 1.25, each corner's 0.25^2: a twentieth. A side and its corners: 1.5 * 0.25 = 0.375.
    for share, inside in (
        *(
            (0.05, (np.sign(drawn) == corner).all(1) & (np.abs(drawn).min(1) > 0.5))
            for corner in ((1, 1), (1, -1), (-1, 1), (-1, -1))
        ),
        (0.3, drawn[:, 1] > 0.5),
        (0.3, drawn[:, 1] < -0.5),
        (0.3, drawn[:, 0] > 0.5),
        (0.3, drawn[:, 0] < -0.5),
        (0.55, furthest > 0.625),  # the outer ring: 1.5^2 - 1.25^2 = 0.6875
    ):
        assert abs(inside.mean() - share) / math.sqrt(share * (1 - share) / n) < 4
    assert np.all(np.abs(drawn.mean(0)) / (drawn.std(0) / math.sqrt(n)) < 4)


def test_the_dense_reference_is_the_optimum_of_anchor_c():
    reference = PointNavigation().reference_return(100)
    assert (reference.label, reference.per) == ("goal known", "episode")
    assert reference.value == pytest.approx(-0.51, abs=0.005)
    assert PointNavigation().held_out.reference_return(100) == reference
    assert PointNavigation().out_of_distribution.reference_return(100) is None


@pytest.mark.parametrize("horizon", [3, 100])
def test_the_dense_reference_is_attained_by_walking_straight(horizon):
    tasks = PointNavigation(horizon=horizon).held_out
    mean, error = mean_return(tasks, straight)
    assert abs(mean - tasks.reference_return(horizon).value) / error < 4


def test_standing_still_costs_a_hundred_mean_distances():
    # The mean distance of a unit square's points from its centre is (sqrt 2 + asinh 1) / 6 = 0.38260: anchor C has -38.3.
    mean, error = mean_return(PointNavigation(), still)
    expected = -100 * (math.sqrt(2) + math.asinh(1)) / 6
    assert expected == pytest.approx(-38.26, abs=0.005)
    assert abs(mean - expected) / error < 4


# Sparse.


@pytest.mark.parametrize(
    ("position", "reward"),
    [
        ((0.0, 1.0), 1.0),
        ((0.0, 0.9), 0.9),
        ((0.19, 1.0), 0.81),
        ((0.21, 1.0), 0.0),
        ((0.12, 0.8401), 0.80008),  # hypot(0.12, 0.1599) = 0.19992, just inside
        ((0.12, 0.8399), 0.0),  # hypot(0.12, 0.1601) = 0.20008, just outside, though within 0.2 on each axis
        ((0.0, 0.0), 0.0),
    ],
)
def test_sparse_reward_is_one_minus_the_distance_within_a_fifth(position, reward):
    after = step_from(SparsePointNavigation(), task_with([0.0, 1.0], 20), position)
    np.testing.assert_allclose(after.reward, reward, atol=1e-5)
    assert not bool(after.terminated)


def test_sparse_reward_is_that_of_the_position_after_the_move():
    goal = task_with([0.0, 1.0], 20)
    after = step_from(SparsePointNavigation(), goal, [0.0, 0.75], action=(0.0, 1.0))
    np.testing.assert_allclose(after.reward, 0.85, rtol=1e-5)
    after = step_from(SparsePointNavigation(), goal, [0.0, 0.85], action=(0.0, -1.0))
    np.testing.assert_allclose(after.reward, 0.0)


def test_a_sparse_episode_has_twenty_steps_and_no_natural_end():
    tasks = SparsePointNavigation()
    transitions = walk(tasks, task_with([0.0, 1.0], 20), 10 * [(0.0, 1.0)] + 10 * [(0.0, 0.0)])
    assert [bool(t.truncated) for t in transitions] == 19 * [False] + [True]
    assert not any(bool(t.terminated) for t in transitions)
    # 0.1 per step: after 8 steps 0.8, a fifth away; 0.8 + 0.9, then 1 from the tenth step on. 0.8 may round to either side.
    rewards = np.array([float(t.reward) for t in transitions])
    np.testing.assert_allclose(rewards[8:], [0.9] + 11 * [1.0], rtol=1e-5)
    np.testing.assert_array_equal(rewards[:7], 0.0)


@pytest.mark.parametrize(("split", "low", "high"), [("train", 0, 1), ("held-out", 0, 1), ("ood", 1, 2)])
def test_sparse_goals_are_uniform_on_a_semicircle(split, low, high):
    drawn = goals(SparsePointNavigation(split=split))
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=-1), 1.0, rtol=1e-6)
    turns = np.arctan2(drawn[:, 1], drawn[:, 0]) / math.pi % 2  # angle in half turns
    assert low < turns.min()
    assert turns.max() < high
    n = len(turns)
    assert abs(turns.mean() - low - 1 / 2) / math.sqrt(1 / 12 / n) < 4
    assert abs(((turns - low - 1 / 2) ** 2).mean() - 1 / 12) / math.sqrt(1 / 180 / n) < 4


def test_no_held_out_angle_is_a_training_angle():
    # A cell is pi 2^-20 = 3e-6 radians, float32 places a point of the circle to 1e-7: its cell's parity is legible.
    for tasks, parity in ((SparsePointNavigation(), 0), (SparsePointNavigation().held_out, 1)):
        drawn = goals(tasks)
        cells = np.arctan2(drawn[:, 1], drawn[:, 0]) / math.pi * GRID - 0.5
        assert np.abs(cells - np.round(cells)).max() < 0.25
        np.testing.assert_array_equal(np.round(cells) % 2, parity)


def test_the_sparse_reference_is_that_of_anchor_f():
    tasks = SparsePointNavigation()
    reference = tasks.reference_return(60)
    assert reference.value == pytest.approx(13.39, abs=0.01)
    assert reference.value == pytest.approx(13.38200, abs=1e-4)  # a million angles instead of ten thousand
    assert (reference.label, reference.per) == ("goal known", "episode")


@pytest.mark.parametrize("split", ["held-out", "ood"])
def test_the_sparse_reference_is_attained_by_walking_straight(split):
    tasks = SparsePointNavigation(split=split)
    mean, error = mean_return(tasks, straight)
    assert abs(mean - tasks.reference_return(60).value) / error < 4


def test_a_sparse_lifetime_is_three_episodes_unless_said_otherwise():
    assert SparsePointNavigation().lifetime_length == 60
    assert SparsePointNavigation(horizon=10, episodes=2).lifetime_length == 20


# Mistakes.


@pytest.mark.parametrize("family", [PointNavigation, SparsePointNavigation])
def test_an_episode_without_steps_is_refused(family):
    with pytest.raises(ValueError, match="horizon=0: an episode has at least 1 environment step"):
        family(horizon=0)


def test_a_lifetime_without_episodes_is_refused():
    with pytest.raises(ValueError, match="episodes=0: a lifetime has at least one episode"):
        SparsePointNavigation(episodes=0)


def test_knowing_the_goal_of_a_sparse_lifetime():
    tasks = SparsePointNavigation()
    task = task_with([0.6, 0.8], horizon=20)
    # At full speed on both axes the distance is 0.2 after 6 steps on x, (0, 0.2), then 0.1, then 0: paid 0.8, 0.9, 1, ..., 1.
    # Step 5 is (0.1, 0.3) away: too far. Twenty steps earn 0.8 + 0.9 + 13, seven earn 1.7.
    for num_steps, value in ((20, 14.7), (5, 0.0), (7, 1.7), (47, 2 * 14.7 + 1.7)):
        assert float(tasks.oracle_return(task, num_steps)) == pytest.approx(value, abs=1e-4)
    goals = jax.vmap(tasks.sample)(jax.random.split(KEY, 2000))
    mean = float(jax.jit(jax.vmap(lambda task: tasks.oracle_return(task, 20)))(goals).mean())
    # The return of an episode varies by less than 2 either way, and by goal only: within four standard errors.
    assert abs(mean - tasks.reference_return(20).value) < 4 * 1.0 / math.sqrt(2000)


def test_the_shaped_reward_is_reward_and_progress():
    # Goal (0, 1), from (0, 0) to (0.1, 0): the distance grows from 1 to sqrt(1.01); straight up it falls by 0.1.
    tasks = SparsePointNavigation()
    task = tasks.sample(jax.random.key(0)).replace(goal=jnp.array([0.0, 1.0]))
    aside, ahead = (tasks.shaped_reward(task, jnp.zeros(2), jnp.float32(0.25), jnp.array(to)) for to in ((0.1, 0.0), (0.0, 0.1)))
    assert float(aside) == pytest.approx(0.25 + 1.0 - math.sqrt(1.01), abs=1e-6)
    assert float(ahead) == pytest.approx(0.25 + 0.1, abs=1e-6)
