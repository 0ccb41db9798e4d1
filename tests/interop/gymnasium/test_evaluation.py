"""Agents in Gymnasium's environments: the same score as in the JAX twin, and mistakes that are named."""

import collections
from pathlib import Path
from typing import Any

import gymnasium
import jax
import numpy as np
import pytest

import jmeta
from jmeta.agent.export import agent_of
from jmeta.cli.main import main
from jmeta.interop.gymnasium import check_spaces, evaluate, varied
from jmeta.tasks import CartPole, Pendulum
from tests.tasks.spaced_families import Shown

RANGES: dict[str, tuple[float, float]] = {"length": (0.3, 1.5), "force_mag": (5.0, 15.0)}


def rl2(tasks: Any) -> Any:
    outer = jmeta.algorithms.rl2(tasks, hidden_size=8, num_tasks=8)
    return outer, jax.jit(outer.inner.init)(jax.random.key(1))


def test_cart_pole_scores_as_its_twin_in_jax() -> None:
    """An agent that was not trained: some twenty steps before the pole falls, in both within four standard errors."""
    tasks = CartPole(ranges=tuple(RANGES.items()), max_steps=50, lifetime_episodes=2)
    outer, theta = rl2(tasks)
    agent = agent_of(outer.inner, tasks, theta, outer.protocol, about={"horizon": tasks.horizon}, num_tasks=60)
    found = evaluate(agent, varied("CartPole-v1", RANGES, seed=3), seed=5, progress=False)
    twin = jmeta.evaluate(outer.inner, tasks, theta, 5, protocol=outer.protocol, num_tasks=2000, progress=False)
    assert found.episode_returns.shape == (60, 2)
    assert found.protocol == outer.protocol
    error = np.hypot(*(result.trajectory_returns.std() / np.sqrt(result.num_tasks) for result in (found, twin)))
    assert abs(found.trajectory_returns.mean() - twin.trajectory_returns.mean()) < 4 * error
    np.testing.assert_allclose(found.lifetime_returns, 100.0)  # a reward of 1 at every step
    again = evaluate(agent, varied("CartPole-v1", RANGES, seed=3), seed=5, progress=False)
    np.testing.assert_array_equal(again.episode_returns, found.episode_returns)


@pytest.mark.slow
def test_an_agent_adapts_by_gradient_steps_in_a_simulator_of_gymnasium() -> None:
    """MAML in four streams, lived two by two, on Pendulum with its own torques."""
    tasks = Pendulum(max_steps=20)
    outer = jmeta.algorithms.maml(tasks, widths=(8,), num_streams=4, num_tasks=4)
    theta = jax.jit(outer.inner.init)(jax.random.key(0))
    agent = agent_of(outer.inner, tasks, theta, outer.protocol, about={"horizon": 20}, num_tasks=3, num_envs=2)
    found = evaluate(agent, varied("Pendulum-v1", {"l": (0.8, 1.2)}), progress=False)
    assert found.episode_returns.shape == (3, 2)
    assert (found.segment_returns < 0).all()
    assert agent._life is not None
    assert agent._life.segment == 1


def test_tasks_differ_and_environments_of_a_task_do_not() -> None:
    make_env = varied("CartPole-v1", RANGES, seed=3)
    one, again, other = (make_env(task).unwrapped for task in (0, 0, 1))
    assert one.length == again.length != other.length
    assert 0.3 <= one.length <= 1.5
    assert one.polemass_length == one.masspole * one.length
    assert varied("CartPole-v1", RANGES, seed=4)(0).unwrapped.length != one.length
    with pytest.raises(ValueError, match="CartPole-v1 has no number 'len' to vary: choose among force_mag, gravity, length"):
        varied("CartPole-v1", {"len": (0.0, 1.0)})(0)
    with pytest.raises(ValueError, match="must have a low below its high"):
        varied("CartPole-v1", {"length": (1.0, 1.0)})(0)


def test_other_spaces_are_refused() -> None:
    tasks = CartPole(max_steps=50)
    outer, theta = rl2(tasks)
    agent = agent_of(outer.inner, tasks, theta, outer.protocol, num_tasks=1)
    with pytest.raises(ValueError, match="horizon: the agent does not say how long its episodes are"):
        evaluate(agent, varied("CartPole-v1", {}), progress=False)
    with pytest.raises(ValueError, match=r"horizon=7: a segment of .* environment steps is no whole number of episodes"):
        evaluate(agent, varied("CartPole-v1", {}), horizon=7, progress=False)
    with pytest.raises(ValueError, match=r"3 number.s., and those of the training tasks are 4"):
        evaluate(agent, varied("Pendulum-v1", {}), horizon=50, progress=False)

    def reversed_actions(task: int) -> gymnasium.Env:
        return gymnasium.wrappers.TransformAction(gymnasium.make("CartPole-v1"), lambda a: a, gymnasium.spaces.Discrete(3))

    with pytest.raises(ValueError, match=r"actions are Discrete.3., and those of the training tasks are one of 2"):
        evaluate(agent, reversed_actions, horizon=50, progress=False)


@pytest.mark.slow
def test_the_command_evaluates_in_gymnasium(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(tmp_path / "run")
    train = "rl2 --task cart-pole --task.max-steps 20 --task.lifetime-episodes 2 --hidden-size 4 --num-tasks 8 --num-steps 1"
    with pytest.raises(SystemExit, match="0"):
        main(["train", *train.split(), "--num-minibatches", "1", "--credit-span", "episode", "--out", run])
    for options, status, said in (
        (["--gymnasium", "CartPole-v1", "--vary", "length=0.3:1.5"], 0, "episode 2: "),
        (["--gymnasium", "CartPole-v1"], 0, "truncated after 20 steps, as in training, and CartPole-v1 allows 500"),
        (["--gymnasium", "CartPol-v1"], 2, "CartPol-v1: Environment `CartPol` doesn't exist"),
        (["--gymnasium", "CartPole-v1", "--vary", "length=0.3"], 2, "--vary length=0.3: give NAME=LOW:HIGH"),
        (["--gymnasium", "Pendulum-v1"], 2, "observations are Box"),
        (["--vary", "length=0.3:1.5"], 2, "it belongs to --gymnasium ENVIRONMENT"),
    ):
        with pytest.raises(SystemExit, match=str(status)):
            main(["evaluate", run, "--num-tasks", "5", *options])
        said_all = "".join(capsys.readouterr())
        assert said in " ".join(said_all.split())
    with pytest.raises(SystemExit, match="0"):
        main(["evaluate", run, "--num-tasks", "100", "--seed", "1"])
    said_all = capsys.readouterr().out
    at_random = float(said_all.split("acting at random: ")[1].split()[0])
    assert at_random < 20.0  # one episode, which may fall early, and not all of those within its time limit


def test_an_agent_for_one_environment_is_scored_too() -> None:
    tasks = jmeta.tasks.CartPole(max_steps=20)
    outer = jmeta.algorithms.rl2(tasks, hidden_size=4, num_tasks=4)
    theta = outer.inner.init(jax.random.key(0))
    agent = agent_of(outer.inner, tasks, theta, outer.protocol, about={"horizon": 20})
    result = evaluate(agent, varied("CartPole-v1", {"length": (0.3, 1.5)}), progress=False)
    assert result.episode_returns.shape == (1, 1)
    with pytest.raises(ValueError, match="CartPol-v1: Environment `CartPol` doesn't exist"):
        varied("CartPol-v1", {})


class Room(gymnasium.Env):
    """Observes a dictionary, whose names are in another order than the JAX twin's, and pays for both choices together."""

    observation_space = gymnasium.spaces.Dict(
        collections.OrderedDict(speed=gymnasium.spaces.Box(-1.0, 1.0, (2,)), door=gymnasium.spaces.Discrete(3))
    )
    action_space = gymnasium.spaces.MultiDiscrete([2, 3])

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action.astype(np.int64))
        return self.observation_space.sample(), float(action.sum()), False, False, {}


def test_an_agent_of_dictionaries_and_several_choices_acts_in_gymnasium() -> None:
    tasks = Shown(observation="dict", action="multi-discrete")
    outer, theta = rl2(tasks)
    agent = agent_of(outer.inner, tasks, theta, outer.protocol, about={"horizon": tasks.horizon}, num_tasks=50)
    found = evaluate(agent, lambda task: Room(), progress=False)
    # An untrained agent chooses nearly uniformly: 0.5 + 1 a step, of variance 1/4 + 2/3, over 50 tasks of so many steps.
    steps = outer.protocol.num_env_steps
    assert abs(found.lifetime_returns.mean() / steps - 1.5) < 0.05 + 4 * np.sqrt((1 / 4 + 2 / 3) / 50 / steps)
    check_spaces(agent, Room.observation_space, Room.action_space)
    flat = gymnasium.spaces.Box(-1.0, 1.0, (5,))
    check_spaces(agent, flat, Room.action_space)  # as gymnasium's FlattenObservation makes it
    box, several = gymnasium.spaces.Box, gymnasium.spaces.MultiDiscrete
    other = gymnasium.spaces.Dict(speed=box(-1.0, 1.0, (1,)), door=gymnasium.spaces.Discrete(4))
    for observation, action, said in (
        (other, Room.action_space, "observations are Dict.*, and those of the training tasks are Named"),
        (gymnasium.spaces.Text(3), Room.action_space, "none that networks can observe"),
        (Room.observation_space, several([2, 3], start=[0, 1]), r"begin at 0: use a wrapper that adds \[0, 1\]"),
        (Room.observation_space, several([3, 2]), r"those of the training tasks are \(2, 3\) values, of shape \(2,\)"),
        (Room.observation_space, several([[2], [3]]), r"those of the training tasks are \(2, 3\) values, of shape \(2,\)"),
        (Room.observation_space, gymnasium.spaces.Tuple((several([2, 3]),)), "actions are Tuple"),
        (Room.observation_space, box(0.0, 1.0, (2,)), "actions are Box"),
    ):
        with pytest.raises(ValueError, match=said):
            check_spaces(agent, observation, action)
