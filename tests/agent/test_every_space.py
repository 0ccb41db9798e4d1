"""Agents of every kind of space: trained, evaluated, driven from outside, saved and loaded."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jmeta
from jmeta.agent import Agent
from jmeta.agent.export import agent_of
from jmeta.outer import OuterLearner
from jmeta.tasks import TaskDistribution
from jmeta.testing import LearnerCase
from jmeta.testing.laws import an_agent_driven_from_outside_does_what_live_does
from tests.tasks.spaced_families import ACTIONS, OBSERVATIONS, Shown, draw

PAIRS = [(name, [*ACTIONS][place % len(ACTIONS)]) for place, name in enumerate(OBSERVATIONS)]
"""Names of an observation and of an action space; each is in at least one pair."""
PAIRS += [("dict", "multi-discrete"), ("image", "matrix"), ("nested", "one-sided")]


def few(*cases: tuple[Any, ...], all_of: list[tuple[Any, ...]]) -> list[Any]:
    """Marks all cases but a few as slow."""
    return [*cases, *(pytest.param(*case, marks=pytest.mark.slow) for case in all_of if case not in cases)]


def rl2(tasks: TaskDistribution) -> OuterLearner:
    return jmeta.algorithms.rl2(tasks, hidden_size=4, num_tasks=4, num_minibatches=1)


def maml(tasks: TaskDistribution) -> OuterLearner:
    return jmeta.algorithms.maml(tasks, widths=(4,), num_streams=2, num_tasks=4)


def drive(agent: Agent, space: Any, steps: int) -> np.ndarray:
    """Acts on observations as an environment gives them, NumPy arrays in the space's own form; returns the actions."""
    agent.begin(3)
    actions = []
    for step in range(steps):
        observation = jax.tree.map(np.asarray, draw(space, jax.random.key(step)))
        actions.append(agent.act(observation))
        agent.observe(0.5, False, (step + 1) % 8 == 0, observation)
    return np.asarray(actions)


@pytest.mark.parametrize(
    ("observation", "action", "build"),
    few(("dict", "multi-discrete", maml), all_of=[(*pair, rl2) for pair in PAIRS[: len(ACTIONS)]]),
)
def test_it_is_trained_evaluated_driven_saved_and_loaded(observation: str, action: str, build: Any, tmp_path: Path) -> None:
    tasks = Shown(observation=observation, action=action)
    outer = build(tasks)
    trained = jmeta.train(outer, 0, num_steps=2, progress=False)
    result = jmeta.evaluate(outer.inner, tasks.held_out, trained.theta, 1, protocol=outer.protocol, num_tasks=4, progress=False)
    assert np.isfinite(result.episode_returns).all()
    agent = agent_of(outer.inner, tasks, trained.theta, outer.protocol)
    actions = drive(agent, OBSERVATIONS[observation], 10)
    assert actions.shape == (10, *ACTIONS[action].shape)
    if action != "unbounded":
        assert all(ACTIONS[action].contains(np.asarray(each, ACTIONS[action].dtype)) for each in actions)
    agent.save(tmp_path / "a.jmeta", platforms=("cpu",))
    loaded = jmeta.load_agent(tmp_path / "a.jmeta")
    np.testing.assert_array_equal(drive(loaded, OBSERVATIONS[observation], 10), actions)
    assert loaded.describe() == agent.describe()


@pytest.mark.parametrize(("observation", "action"), few(("nested", "one-sided"), all_of=PAIRS))
def test_a_check_finds_no_mistake(observation: str, action: str) -> None:
    jmeta.testing.check_tasks(Shown(observation=observation, action=action))


@pytest.mark.parametrize(
    ("build", "action"), [(rl2, "multi-discrete"), pytest.param(maml, "matrix", marks=pytest.mark.slow)], ids=["rl2", "maml"]
)
def test_an_agent_driven_from_outside_does_what_live_does(build: Any, action: str) -> None:
    an_agent_driven_from_outside_does_what_live_does(LearnerCase(lambda: build(Shown(observation="dict", action=action))))


def test_one_hot_parts_are_looked_at_by_the_check() -> None:
    """A part that is out of its range is found, also behind parts of numbers."""

    class Overflowing(type(Shown(observation="nested").environment)):  # type: ignore[misc]
        def step_env(self, *arguments: Any) -> tuple:
            observation, *rest = super().step_env(*arguments)
            image, door = observation["view"]
            return {**observation, "view": (image, door + 1)}, *rest

    class Family(Shown):
        environment = Overflowing(OBSERVATIONS["nested"], ACTIONS["multi-discrete"])

    with pytest.raises(ValueError, match=r"observes a number outside of its observation space, Discrete\(2\): only 0 to 1"):
        jmeta.testing.check_tasks(Family)
