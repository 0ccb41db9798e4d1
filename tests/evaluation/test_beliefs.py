"""Beliefs about goals, and what was ruled out."""

from typing import Any

import jax
import numpy as np
import pytest

import jmeta
from jmeta.evaluation.beliefs import decode_goals, plot_goal_beliefs
from jmeta.tasks import DarkKeyToDoor, GridNavi

TASKS = GridNavi(size=3, horizon=10, num_episodes=1)


def learner(tasks: Any = TASKS, reward_values: tuple[float, ...] = (-0.1, 1.0)) -> Any:
    settings = {"hidden_size": 8, "num_tasks": 8, "belief_batch_size": 4}
    return jmeta.algorithms.varibad(tasks, reward_values=reward_values, **settings)


def decoded(outer: Any, num_tasks: int = 30) -> Any:
    theta = outer.inner.init(jax.random.key(0))
    return decode_goals(outer.inner, outer.tasks, theta, jax.random.key(1), protocol=outer.protocol, num_tasks=num_tasks)


@pytest.mark.slow
def test_goals_are_ruled_out_as_they_are_found_empty_or_one_is_found() -> None:
    """Walked through step by step: a goal is possible until one was there without reward, or was elsewhere with it."""
    beliefs = decoded(learner())
    assert beliefs.belief.shape == (30, 10, 5)
    np.testing.assert_allclose(beliefs.belief.sum(-1), 1.0, atol=1e-5)
    found = 0
    for possible, position, goal in zip(beliefs.possible, beliefs.position, beliefs.goal, strict=True):
        left = {tuple(cell) for cell in beliefs.goals}
        for step in range(10):
            assert {tuple(cell) for cell in beliefs.goals[possible[step]]} == left
            if step == 9:
                break
            here = tuple(position[step + 1])
            left = {tuple(goal)} if here == tuple(goal) else left - {here}
            found += here == tuple(goal)
        assert tuple(goal) in left
    assert found > 0


@pytest.mark.slow
def test_mass_on_what_is_possible() -> None:
    beliefs = decoded(learner(), 3)
    expected = np.where(beliefs.possible, beliefs.belief, 0.0).sum(-1)
    np.testing.assert_allclose(beliefs.mass_on_possible, expected)
    assert (beliefs.mass_on_possible[:, 0] > 0.999).all()  # nothing is ruled out yet


@pytest.mark.slow
def test_a_figure_has_a_panel_for_each_step() -> None:
    figure = plot_goal_beliefs(decoded(learner(), 2), TASKS.size, index=1, steps=10)
    assert sum(bool(axes.get_title()) for axes in figure.axes) == 10


def test_what_has_no_goal_to_believe_in_is_refused() -> None:
    with pytest.raises(ValueError, match="reward_values"):
        decoded(learner(reward_values=()))
    with pytest.raises(ValueError, match="2 targets"):
        decoded(learner(DarkKeyToDoor(size=3, horizon=3, num_episodes=1), (0.0, 1.0)))


def test_an_agent_that_normalises_is_refused() -> None:
    settings = {"hidden_size": 8, "num_tasks": 8, "belief_batch_size": 4, "normalize_observations": True}
    outer = jmeta.algorithms.varibad(TASKS, reward_values=(-0.1, 1.0), **settings)
    with pytest.raises(ValueError, match=r"is not VariBAD.*train varibad without normalize_observations"):
        decode_goals(outer.inner, outer.tasks, (), jax.random.key(1), protocol=outer.protocol, num_tasks=4)
