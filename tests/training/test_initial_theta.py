"""Trainings that begin with the theta of another run: what fits, where it came from, and what carries over."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmeta
from jmeta.algorithms import fomaml, maml, rl2
from jmeta.inner.normalised import NormalisedTheta
from jmeta.inner.statistics import Statistics
from jmeta.loaded_run import LoadedRun
from jmeta.tasks import BernoulliBandit, DependentBandit, PointNavigation
from jmeta.training import Pretrained, RunDirectory, TrainResult
from jmeta.training.initial_theta import MOST_LISTED, checked_theta, misfits
from jmeta.training.provenance import describe
from jmeta.types import MetaState
from tests.training.walk import KEY

FLOAT = jnp.float32


class Named(NamedTuple):
    weights: Any
    rule: Any


def like(*shape: int, dtype: Any = FLOAT) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


# What fits


def test_leaves_that_do_not_fit_are_listed_by_kind() -> None:
    theta = {"a": jnp.zeros(3), "b": {"c": jnp.zeros((2, 2)), "old": jnp.zeros(())}, "same": jnp.zeros(1)}
    template = {"a": like(3, dtype=jnp.int32), "b": {"c": like(2, 5), "new": like(4)}, "same": like(1)}
    assert misfits(theta, template) == [
        "a is float32[3] there, int32[3] here",
        "b.c is float32[2, 2] there, float32[2, 5] here",
        "b.new, float32[4] here, is missing there",
        "b.old, float32[] there, is unknown here",
    ]
    assert misfits(theta, theta) == []


def test_a_long_list_is_cut() -> None:
    many = {f"w{number}": like(1) for number in range(MOST_LISTED + 2)}
    lines = misfits({}, many)
    assert len(lines) == MOST_LISTED + 1
    assert lines[-1] == "and 2 more are missing there"
    exactly = dict(list(many.items())[:MOST_LISTED])
    assert len(misfits({}, exactly)) == MOST_LISTED


def test_leaves_are_found_by_path_whatever_their_order_and_container() -> None:
    """A dictionary is sorted by name, rule before weights; the tuple begins with weights. Both have the shape [2]."""
    theta = {"weights": jnp.array([1.0, 2.0]), "rule": jnp.array([3.0, 4.0])}
    inner = rl2(BernoulliBandit(), num_tasks=16).inner
    named = checked_theta(inner, theta, Named(like(2), like(2)))
    assert isinstance(named, Named)
    np.testing.assert_array_equal(named.weights, [1.0, 2.0])
    np.testing.assert_array_equal(named.rule, [3.0, 4.0])


def test_algorithms_whose_theta_agrees_begin_from_each_other() -> None:
    """The initial weights of MAML are those of FOMAML; neither is a policy of RL²."""
    tasks = PointNavigation(horizon=5)
    first, second = (algorithm(tasks, widths=(4,), num_tasks=4, num_streams=2) for algorithm in (maml, fomaml))
    theta = jax.jit(first.init)(KEY).theta
    template = jax.eval_shape(second.init, KEY).theta
    jax.tree.map(np.testing.assert_array_equal, checked_theta(second.inner, theta, template), theta)
    other = rl2(tasks, hidden_size=4, num_tasks=16)
    with pytest.raises(ValueError, match="theta belongs to another agent than this RL2, and does not fit it") as caught:
        checked_theta(other.inner, theta, jax.eval_shape(other.init, KEY).theta)
    assert "core.inputs.bias, float32[12] here, is missing there" in str(caught.value)
    assert "is unknown here" in str(caught.value)

    with pytest.raises(ValueError, match=r"statistics\.num_steps, float32\[\] there, is unknown here"):
        checked_theta(first.inner, NormalisedTheta({}, Statistics.none(2)), template)


@pytest.mark.parametrize(
    ("theta", "message"),
    [
        ("runs/x", r"theta='runs/x' is a path: give jmeta\.load\('runs/x'\)\.pretrained"),
        (Path("runs/x"), r"is a path: give jmeta\.load\('runs/x'\)\.pretrained"),
        (MetaState({}, (), ()), r"theta is a meta-state: give its \.theta"),
        (TrainResult(MetaState({}, (), ()), {}, 1, {}, None, 0.0), r"theta is a TrainResult: give its \.state\.theta"),
        (LoadedRun(None, {}, 1, None, {}), r"theta is a LoadedRun: give its \.pretrained"),  # type: ignore[arg-type]
        (object(), "theta is of type object: give a tree of arrays"),
        ({"a": {"b": "text"}}, r"a\.b of theta is of type str: give a tree of arrays"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_theta_is_refused(theta: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        jmeta.train(small(), 0, 2, theta=theta, progress=False)


def test_an_evaluation_is_no_theta() -> None:
    outer = small()
    result = jmeta.evaluate(outer.inner, outer.tasks, outer.init(0).theta, 0, protocol=outer.protocol, num_tasks=2)
    with pytest.raises(TypeError, match="theta is of type Evaluation: give a tree of arrays"):
        jmeta.train(outer, 0, 2, theta=result, progress=False)


def test_numbers_of_numpy_are_taken_in_the_precision_of_the_agent() -> None:
    """Doubles and long integers are; whole numbers in place of fractions, and half precision, still do not fit."""
    inner, template = small().inner, {"count": like(dtype=jnp.int32), "w": like(2)}
    theta = checked_theta(inner, {"count": np.int64(3), "w": np.array([0.5, 0.25])}, template)
    assert theta["count"].dtype == jnp.int32
    assert theta["w"].dtype == jnp.float32
    np.testing.assert_array_equal(theta["w"], [0.5, 0.25])
    for other in (np.array([1, 2]), np.array([0.5, 0.25], np.float16), np.array([0.5])):
        with pytest.raises(ValueError, match=r"w is \w+\[\d\] there, float32\[2\] here"):
            checked_theta(inner, {"count": np.int32(3), "w": other}, template)


# Where it came from


def small(tasks: Any = None, **settings: Any) -> Any:
    tasks = tasks or BernoulliBandit(num_arms=2, num_pulls=3)
    return rl2(tasks, hidden_size=4, num_tasks=16, num_epochs=1, num_minibatches=2, **settings)


@pytest.fixture(scope="module")
def before() -> Pretrained:
    """What is known of a run that normalises observations."""
    outer = small(normalize_observations=True)
    return Pretrained(jax.jit(outer.init)(jax.random.key(8)).theta, "runs/before", 2, {"learner": describe(outer)})


def test_statistics_carry_over_and_the_optimiser_does_not(before: Pretrained) -> None:
    """The agent sees its observations in the units that it was trained on; the state of the optimiser is that of a new run."""
    outer = small(DependentBandit(num_pulls=3), normalize_observations=True)
    theta = before.theta
    changed = theta._replace(statistics=theta.statistics._replace(mean=theta.statistics.mean + 7.0))
    state = jax.jit(outer.init_with)(changed, KEY)
    jax.tree.map(np.testing.assert_array_equal, state.theta, changed)
    fresh = jax.jit(outer.init)(KEY)
    jax.tree.map(np.testing.assert_array_equal, state.opt_state, fresh.opt_state)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"normalize_observations": True, "normalize_rewards": True},  # theta has the same leaves, and other units of rewards
            "normalize_rewards=False and this learner has normalize_rewards=True.*give normalize_rewards=False "
            r"\(--no-normalize-rewards\)",
        ),
        (
            {"normalize_rewards": True},
            r"normalize_observations=True and .*: give normalize_observations=True \(--normalize-observations\)",
        ),
        ({}, "normalize_observations=True and this learner has normalize_observations=False"),
    ],
    ids=["both", "the other", "neither"],
)
def test_statistics_of_something_else_are_refused(
    before: Pretrained, settings: dict[str, bool], message: str, tmp_path: Any
) -> None:
    with pytest.raises(ValueError, match=message):
        jmeta.train(small(**settings), 0, 1, out=tmp_path / "run", theta=before, progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_run_says_where_its_theta_came_from_and_needs_it_no_more(tmp_path: Any) -> None:
    """The entry outlives a resume, and equal arrays have an equal hash."""
    jmeta.train(small(), 0, 2, out=tmp_path / "before", progress=False)
    before = jmeta.load(tmp_path / "before", outer=small())
    outer, out = small(DependentBandit(num_pulls=3)), tmp_path / "run"
    jmeta.train(outer, 0, 1, out=out, theta=before.pretrained, progress=False)
    origin = RunDirectory(out).read_config()["theta_from"]
    assert origin == {"run": str(before.path), "step": 2, "sha256": origin["sha256"]}  # started from Python: no recipe
    first = jmeta.load(out, outer=outer, step=1)
    assert first.about()["theta_from"] == origin
    assert before.path is not None
    before.path.rename(tmp_path / "away")
    jmeta.train(outer, 0, 3, out=out, resume=True, progress=False)
    assert RunDirectory(out).read_config()["theta_from"] == origin
    jmeta.train(outer, 0, 1, out=tmp_path / "same", theta=before.state.theta, progress=False)
    assert RunDirectory(tmp_path / "same").read_config()["theta_from"] == {"sha256": origin["sha256"]}
    jmeta.train(outer, 0, 1, out=tmp_path / "other", theta=first.pretrained, progress=False)
    assert RunDirectory(tmp_path / "other").read_config()["theta_from"]["sha256"] != origin["sha256"]


def test_the_origin_names_the_recipe() -> None:
    config = {"recipe": {"algorithm": "rl2", "algorithm_fields": {}, "task": "bernoulli-bandit", "task_fields": {}}}
    origin = Pretrained({}, "runs/a", 7, config).origin()
    assert origin == {"run": "runs/a", "step": 7, "algorithm": "rl2", "task": "bernoulli-bandit"}


# That it is worth it


@pytest.mark.slow
def test_a_fine_tuned_run_begins_where_the_other_one_ended() -> None:
    """RL² that explores and exploits in independent arms does so in dependent ones, at once.

    The first outer step reports the score of the initial theta, the mean of 512 lifetimes of ten pulls. At random it is 5. The
    standard deviation of a lifetime is at most sqrt(10 / 4 + var(10 p)) = sqrt(2.5 + 8.3) = 3.3, so the standard error is
    at most 0.15, and that of the difference 0.21: one pull is more than four of them.
    """
    settings: dict[str, Any] = {"hidden_size": 16, "num_tasks": 512, "discount": 1.0}
    learned = jmeta.train(rl2(BernoulliBandit(num_arms=2, num_pulls=10), learning_rate=0.01, **settings), 0, 40, progress=False)
    outer = rl2(DependentBandit(num_pulls=10), **settings)
    tuned = jmeta.train(outer, 1, 1, theta=learned.state.theta, progress=False).metrics["return/lifetime"][0]
    scratch = jmeta.train(outer, 1, 1, progress=False).metrics["return/lifetime"][0]
    assert abs(scratch - 5.0) < 0.6
    assert tuned > scratch + 1.0
