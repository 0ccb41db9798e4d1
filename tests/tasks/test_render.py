"""Pictures of what one stream did."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure

from jmeta import lifetime
from jmeta.references import Random
from jmeta.tasks import BernoulliBandit, CartPole, DarkKeyToDoor, GridNavi, PointNavigation, ToldTasks
from jmeta.tasks.bernoulli_bandit import EnvParams as Arms
from jmeta.tasks.grid_environment import EnvParams as Targets


def lived(tasks, task, length):
    """Random behaviour of one stream, [length, ...]."""
    inner = Random(tasks.observation_size, tasks.action_space)
    life = lifetime.start(tasks, task, ((), ()), num_streams=1, key=jax.random.key(1))
    _, segment = jax.jit(lambda: lifetime.rollout(inner, tasks, (), life, length=length, key=jax.random.key(2)))()
    return jax.tree.map(lambda x: x[:, 0], segment.plain())


def picture(tasks, task, segment):
    axes = Figure().subplots()
    tasks.render(task, segment, axes)
    axes.figure.canvas.draw()
    return axes


@pytest.mark.parametrize("sight", ["coordinates", "one-hot"])
def test_a_grid_shows_its_target_and_each_episode_s_way(sight):
    tasks = GridNavi(horizon=4, sight=sight)
    task = Targets(targets=jnp.array([[3, 2]], jnp.int32), max_steps_in_episode=jnp.array(4))
    segment = lived(tasks, task, 8)
    axes = picture(tasks, task, segment)
    (goal,) = axes.texts
    assert (goal.get_text(), goal.get_position()) == ("1", (3, 2))
    moves = np.array([[0, 0], [0, 1], [1, 0], [0, -1], [-1, 0]])
    ways = [line.get_xydata() for line in axes.get_lines() if len(line.get_xydata()) > 1]
    for way, actions in zip(ways, np.asarray(segment.action).reshape(2, 4), strict=True):
        expected = [np.zeros(2)]
        for action in actions:
            expected.append(np.clip(expected[-1] + moves[action], 0, 4))
        np.testing.assert_array_equal(way, expected)


def test_key_and_door_are_numbered():
    tasks = DarkKeyToDoor()
    task = Targets(targets=jnp.array([[1, 2], [7, 8]], jnp.int32), max_steps_in_episode=jnp.array(50))
    axes = picture(tasks, task, lived(tasks, task, 5))
    assert [(text.get_text(), text.get_position()) for text in axes.texts] == [("1", (1, 2)), ("2", (7, 8))]


def test_a_plane_shows_positions_also_where_the_task_is_told():
    for tasks in (PointNavigation(horizon=5), ToldTasks(PointNavigation(horizon=5))):
        task = tasks.sample(jax.random.key(0))
        segment = lived(tasks, task, 5)
        goal, way, start = (line.get_xydata() for line in picture(tasks, task, segment).get_lines())
        np.testing.assert_allclose(goal[0], task.goal)
        np.testing.assert_allclose(start[0], [0.0, 0.0])
        np.testing.assert_allclose(way[1:], np.asarray(segment.next_observation)[:, :2])


def test_a_bandit_shows_its_pulls():
    tasks = BernoulliBandit(num_arms=3)
    task = Arms(probabilities=jnp.array([0.1, 0.5, 0.93]), max_steps_in_episode=jnp.array(1))
    segment = lived(tasks, task, 10)
    axes = picture(tasks, task, segment)
    np.testing.assert_array_equal(axes.collections[0].get_offsets(), np.stack([np.arange(1, 11), segment.action], axis=1))
    np.testing.assert_array_equal(axes.collections[0].get_array(), segment.reward)
    assert axes.collections[0].get_clim() == (0.0, 1.0)  # whatever was paid so far
    assert [label.get_text() for label in axes.get_yticklabels()] == ["arm 0, pays 0.10", "arm 1, pays 0.50", "arm 2, pays 0.93"]


def test_anything_else_shows_rewards():
    tasks = CartPole(max_steps=4)
    task = tasks.sample(jax.random.key(0))
    segment = lived(tasks, task, 8)
    rewards, boundary = picture(tasks, task, segment).get_lines()
    np.testing.assert_array_equal(rewards.get_ydata(), segment.reward)
    assert boundary.get_xdata()[0] == 4.5
