"""Agents, thetas and tasks that do not belong together are refused before anything is compiled, and told apart by name."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import jmeta
from jmeta.comparison import Cell, HandWritten
from jmeta.evaluation.checks import check_agent
from jmeta.evaluation.watch import watch
from jmeta.references import Random
from jmeta.tasks import BernoulliBandit, GridNavi, PointNavigation, SparsePointNavigation
from jmeta.training.run_config import run_config
from jmeta.types import Discrete, Protocol

TASKS = BernoulliBandit(num_arms=5, num_pulls=4)
OUTER = jmeta.algorithms.rl2(TASKS, hidden_size=4, num_tasks=16)
STATE = OUTER.init(jax.random.key(0))
KEY = jax.random.key(1)


def run(inner: Any = OUTER.inner, tasks: Any = TASKS, theta: Any = STATE.theta) -> Any:
    return jmeta.evaluate(inner, tasks, theta, KEY, protocol=OUTER.protocol, num_tasks=2)


def test_what_belongs_together_passes() -> None:
    check_agent(OUTER.inner, TASKS.held_out, OUTER.deploy(STATE), KEY)
    check_agent(Random(TASKS.observation_size, TASKS.action_space), TASKS, (), KEY)


def test_every_algorithm_s_deployed_theta_passes() -> None:
    """MQL ships its replay too, so that structures differ from what init gives."""
    tasks = GridNavi(size=3, horizon=4, num_episodes=2)
    mql = jmeta.algorithms.mql(jmeta.tasks.PointNavigation(horizon=4), widths=(4,), num_training_tasks=2)
    maml = jmeta.algorithms.maml(tasks, widths=(4,), num_streams=2, num_tasks=2)
    for outer in (mql, maml):
        check_agent(outer.inner, outer.tasks, outer.deploy(outer.init(KEY)), KEY)


@pytest.mark.parametrize("num_arms", [3, 6])
def test_an_agent_for_other_actions_is_refused(num_arms: int, tmp_path: Any) -> None:
    other = BernoulliBandit(num_arms=num_arms, num_pulls=4)
    message = (
        rf"RL2 acts in Discrete\(num_actions=5\) but BernoulliBandit takes Discrete\(num_actions={num_arms}\): .*outer\.tasks"
    )
    with pytest.raises(ValueError, match=message):
        run(tasks=other)
    with pytest.raises(ValueError, match=message):
        watch(OUTER.inner, other, STATE.theta, KEY, protocol=OUTER.protocol, out=tmp_path / "life.gif")
    assert not list(tmp_path.iterdir())


def test_an_oracle_on_tasks_that_tell_nothing_is_refused() -> None:
    oracle = jmeta.algorithms.oracle(TASKS, widths=(4,), num_tasks=16)
    theta = oracle.init(KEY).theta
    with pytest.raises(
        ValueError, match=r"observations of size 6 but BernoulliBandit gives 1: .*the observations of an oracle include the task"
    ):
        run(oracle.inner, TASKS.held_out, theta)
    check_agent(oracle.inner, oracle.tasks.held_out, theta, KEY)


def test_a_comparison_refuses_an_agent_for_other_tasks() -> None:
    random = Random(1, Discrete(3))
    with pytest.raises(ValueError, match=r"mine on bandit: Random acts in Discrete\(num_actions=3\) but BernoulliBandit takes"):
        Cell("bandit", "mine", "random", {"": HandWritten(random, TASKS, Protocol(1, 4, 1))})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"inner": OUTER},
            r"PPO is an outer learner: give its agent, outer\.inner, and the agent's theta, outer\.deploy\(state\)",
        ),
        ({"inner": "rl2"}, "'rl2' is no inner learner: give outer.inner"),
        ({"theta": STATE}, r"theta is a meta-state: give .* outer\.deploy\(state\)"),
        (
            {"theta": jmeta.training.TrainResult(STATE, STATE.theta, 1, {}, None, 0.0)},
            "theta is a TrainResult: give its field theta",
        ),
        ({"tasks": BernoulliBandit}, r"tasks is the class BernoulliBandit: give an instance"),
        (
            {"tasks": "bernoulli-bandit"},
            r"the name 'bernoulli-bandit': give the distribution itself, jmeta\.tasks\.BernoulliBandit\(\)",
        ),
    ],
)
def test_what_is_taken_for_something_else_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        run(**arguments)


@pytest.mark.parametrize("greedy", ["yes", 1, None])
def test_greedy_is_true_or_false(greedy: Any) -> None:
    with pytest.raises(TypeError, match=f"greedy={greedy!r}: give True or False"):
        jmeta.evaluate(OUTER.inner, TASKS, STATE.theta, KEY, protocol=OUTER.protocol, greedy=greedy)


def test_theta_of_another_agent_is_refused() -> None:
    larger = jmeta.algorithms.rl2(TASKS, hidden_size=8, num_tasks=16)
    with pytest.raises(ValueError, match=r"theta.* where that of this RL2 is .*: it was made for another agent"):
        run(theta=larger.init(KEY).theta)


@pytest.mark.parametrize("value", [jnp.nan, jnp.inf])
def test_theta_that_is_not_finite_is_refused(value: float) -> None:
    leaves, structure = jax.tree.flatten(STATE.theta)
    leaves[-1] = leaves[-1].at[(0,) * leaves[-1].ndim].set(value)
    with pytest.raises(ValueError, match=r"theta.* is not finite: this agent's training failed"):
        run(theta=jax.tree.unflatten(structure, leaves))


def test_evaluation_inside_a_transformation_is_refused() -> None:
    message = r"evaluated outside jax\.jit, vmap and grad.*live_in_new_task"
    with pytest.raises(TypeError, match=message):
        jax.jit(lambda theta: run(theta=theta).lifetime_returns)(STATE.theta)
    with pytest.raises(TypeError, match=message):
        jax.vmap(lambda theta: run(theta=theta).lifetime_returns)(jax.tree.map(lambda x: x[None], STATE.theta))
    with pytest.raises(TypeError, match=message):
        jax.jit(lambda key: jmeta.evaluate(OUTER.inner, TASKS, STATE.theta, key, protocol=OUTER.protocol))(KEY)


def test_a_run_of_another_agent_or_of_other_tasks_is_not_restored(tmp_path: Path) -> None:
    """Point navigation and its sparse relative have equal shapes, so a checkpoint of one would fit the other."""
    tasks, sparse = PointNavigation(horizon=4), SparsePointNavigation(horizon=4)
    settings = {"hidden_size": 4, "num_tasks": 16, "lifetime_length": 4}
    outer = jmeta.algorithms.rl2(tasks, **settings)
    tmp_path.joinpath("config.json").write_text(json.dumps(run_config(outer, KEY, None, None)))
    for other, name in (
        (
            jmeta.algorithms.rl2(sparse, **settings),
            r"RL2 for 2 observations and Continuous\(2\) actions on SparsePointNavigation",
        ),
        (
            jmeta.algorithms.maml(tasks, widths=(4,), num_tasks=2),
            r"MAML for 2 observations and Continuous\(2\) actions on PointNavigation",
        ),
        (OUTER, r"RL2 for 1 observations and Discrete\(5\) actions on BernoulliBandit"),
    ):
        message = rf"trained RL2 for 2 observations and Continuous\(2\) actions on PointNavigation, but this learner is {name}"
        with pytest.raises(ValueError, match=message):
            jmeta.restore(other, tmp_path)
    config = json.loads(tmp_path.joinpath("config.json").read_text())
    for damage in ({"inner": 3}, {"tasks": None}):
        tmp_path.joinpath("config.json").write_text(json.dumps(config | {"learner": config["learner"] | damage}))
        with pytest.raises(ValueError, match=r"config\.json of .* is damaged: its learner has no inner learner or no tasks"):
            jmeta.restore(outer, tmp_path)
    tmp_path.joinpath("config.json").write_text(json.dumps(config))
    with pytest.raises(FileNotFoundError, match="no checkpoint yet"):
        jmeta.restore(jmeta.algorithms.rl2(tasks, learning_rate=0.5, **settings), tmp_path)


@pytest.mark.parametrize("name", sorted(jmeta.algorithms.ALGORITHMS))
def test_every_algorithm_refuses_what_is_no_task_distribution(name: str) -> None:
    @dataclasses.dataclass(frozen=True)
    class Corridors(BernoulliBandit):
        pass

    build = jmeta.algorithms.ALGORITHMS[name]
    with pytest.raises(TypeError, match=r"'bernoulli-bandit': give the distribution itself, jmeta\.tasks\.BernoulliBandit\(\)"):
        build("bernoulli-bandit")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"tasks is the class Corridors: give an instance of it, such as Corridors\(\)"):
        build(Corridors)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"tasks=3 is no task distribution"):
        build(3)  # type: ignore[arg-type]
