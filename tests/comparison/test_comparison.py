"""Comparisons: scores that can be counted, what is resumed, skipped and refused, and what is reported of all that."""

import dataclasses
import json
import re
import signal
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from matplotlib.figure import Figure

import jmeta
from jmeta import struct
from jmeta.comparison import (
    Budget,
    Cell,
    CellResult,
    Comparison,
    HandWritten,
    Outcome,
    Returns,
    Variants,
    compare,
    figures,
    markdown,
    run,
    summarise,
    training,
    write_report,
)
from jmeta.comparison.learning import LearningCurves, LearningLog
from jmeta.evaluation.evaluate import EVALUATION_FOLD
from jmeta.evaluation.plots import show_all_spans
from jmeta.inner.base import InnerLearner
from jmeta.outer.base import OuterLearner
from jmeta.tasks import BernoulliBandit, GymnaxTasks
from jmeta.training import engine
from jmeta.types import Decision, Discrete, MetaState, Protocol
from tests.evaluation.test_evaluate import NUM_ACTIONS, Counting

PROTOCOL = Protocol(1, 6, 2)  # two episodes of 3 steps in each of 2 streams: 12 environment steps
STEP = 4 * 12  # environment steps of an outer step on 4 tasks


@struct.dataclass
class Player(InnerLearner):
    """Plays the number that theta says, and is paid that by ``Counting`` at each step."""

    observation_size: int = struct.field(pytree_node=False, default=1)
    action_space: Any = struct.field(pytree_node=False, default=Discrete(NUM_ACTIONS))

    def init(self, key):
        return {"level": jnp.zeros((), jnp.float32)}

    def begin(self, theta, num_streams, key):
        return (), ()

    def act(self, theta, phi, memory, timestep):
        logits = jnp.where(jnp.arange(NUM_ACTIONS) == theta["level"].astype(int), 0.0, -1e9)
        return Decision(dist.CategoricalLogits(logits), jnp.zeros(())), memory

    def adapt(self, theta, phi, memory, segment, key):
        return phi, memory


@struct.dataclass
class Climb(OuterLearner):
    """Raises the level by ``rate`` times 0, 1 or 2, as each step's key has it.

    Attributes:
      fuse: the level at which a metric becomes NaN.
      broken: what to raise when traced.
    """

    rate: Any = 1.0
    fuse: Any = 1e9
    num_tasks: int = struct.field(pytree_node=False, default=4)
    broken: str = struct.field(pytree_node=False, default="")
    tasks: Any = struct.field(pytree_node=False, default=Counting())
    inner: Any = struct.field(pytree_node=False, default=Player())
    protocol: Protocol = struct.field(pytree_node=False, default=PROTOCOL)

    def init(self, key):
        return MetaState(self.inner.init(key), (), jax.random.split(key))

    def meta_gradient(self, state, key):
        return None

    def step(self, state, key):
        if self.broken:
            raise RuntimeError(self.broken)
        level = state.theta["level"] + self.rate * jax.random.randint(key, (), 0, 3)
        sick = jnp.where(level >= self.fuse, jnp.nan, 0.0)
        return MetaState({"level": level}, (), state.extra), {"return/before": level, "return/after": level, "sick": sick}

    def check_devices(self, num_devices):
        if self.num_tasks % num_devices:
            raise ValueError(f"num_tasks={self.num_tasks} on {num_devices} devices")


def cell(learners: dict[str, Any] | None = None, *, name: str = "climb", task: str = "counting", kind: str = "climb") -> Cell:
    return Cell(task, name, kind, learners or {"": Climb()})


def fixed(level: int, name: str = "fixed", kind: str = "fixed") -> Cell:
    """A hand-written learner that plays ``level``."""

    @struct.dataclass
    class Fixed(Player):
        def begin(self, theta, num_streams, key):
            return {"level": jnp.asarray(level, jnp.float32)}, ()

        def act(self, theta, phi, memory, timestep):
            return Player.act(self, phi, phi, memory, timestep)

    return cell({"": HandWritten(Fixed(), Counting(), PROTOCOL)}, name=name, kind=kind)


def comparison(*cells: Cell, num_steps: int = 4, **options: Any) -> Comparison:
    options = {"num_seeds": 3, "budget": Budget(env_steps=num_steps * STEP), "num_test_tasks": 5, "seed": 5} | options
    return Comparison("test", cells or (cell(),), **options)


def levels(outcome: Outcome, index: int = 0) -> np.ndarray:
    """What was played in the end [V, S]: all episodes of all tasks must have paid 3 times that."""
    returns = outcome.results[index].returns
    level = returns.episode_returns[:, :, 0, 0] / 3
    np.testing.assert_array_equal(returns.episode_returns, np.broadcast_to(3 * level[..., None, None], (*level.shape, 5, 2)))
    np.testing.assert_array_equal(returns.lifetime_returns, np.broadcast_to(6 * level[..., None], (*level.shape, 5)))
    return level


def expected(rate: float, num_steps: int, seeds: range = range(5, 8)) -> list[float]:
    """Where trainings one by one end."""
    return [
        float(jmeta.train(Climb(rate=rate), jax.random.key(seed), num_steps, progress=False).theta["level"]) for seed in seeds
    ]


# What is computed


@pytest.mark.slow
def test_all_seeds_and_variants_train_as_they_would_alone(tmp_path):
    variants = {f"rate={rate}": Climb(rate=rate) for rate in (1.0, 3.0)}
    outcome = compare(comparison(cell(variants)), tmp_path)
    np.testing.assert_array_equal(levels(outcome), [expected(1.0, 4), expected(3.0, 4)])
    assert len(np.unique(levels(outcome))) > 2
    info = outcome.results[0].info
    assert (info["outer_steps"], info["env_steps"], info["seeds"], info["split"]) == (4, 4 * STEP, [5, 6, 7], "held-out")
    np.testing.assert_array_equal(outcome.results[0].returns.episode_env_steps, np.tile([0, 6], (2, 3, 1)))


@pytest.mark.parametrize(("env_steps", "outer_steps"), [(1, 1), (STEP, 1), (STEP + 1, 2)])
def test_a_budget_of_steps_is_rounded_up(tmp_path, env_steps, outer_steps):
    outcome = compare(comparison(num_seeds=1, budget=Budget(env_steps=env_steps)), tmp_path)
    assert outcome.results[0].info["env_steps"] == outer_steps * STEP


def test_a_budget_of_time(tmp_path):
    outcome = compare(comparison(budget=Budget(wall_clock_seconds=0.2)), tmp_path)
    info = outcome.results[0].info
    assert 0.2 <= info["train_seconds"] < 0.2 + 5.0  # a chunk is sized to what is left; the machine may stall
    assert info["outer_steps"] > 10


def test_every_cell_meets_the_same_tasks(tmp_path):
    """With a bonus drawn for each task, playing 4 earns 3 x 3 more per episode than playing 1, in each task."""
    tasks = Counting(has_bonus=True)
    four, one = (
        dataclasses.replace(c, variants={"": dataclasses.replace(c.learner, tasks=tasks)})
        for c in (fixed(4, "four"), fixed(1, "one"))
    )
    results = compare(comparison(four, one), tmp_path).results
    difference = results[0].returns.episode_returns - results[1].returns.episode_returns
    assert difference.shape == (1, 1, 5, 2)  # a hand-written learner has no seeds
    np.testing.assert_allclose(difference, 9.0, rtol=1e-6)
    assert len(np.unique(results[0].returns.episode_returns[0, 0, :, 0])) == 5


def test_evaluation_may_ask_for_another_protocol(tmp_path):
    longer = dataclasses.replace(fixed(2), evaluation=Protocol(2, 9, 1))
    (result,) = compare(comparison(longer), tmp_path).results
    assert result.returns.episode_returns.shape == (1, 1, 5, 6)
    assert result.info["protocol"] == {"num_segments": 2, "segment_length": 9, "num_streams": 1}


def test_where_nothing_is_held_out_the_training_tasks_serve():
    learner = jmeta.references.Random(4, Discrete(2))
    tasks, why = cell({"": HandWritten(learner, GymnaxTasks(max_steps=5), Protocol(1, 5, 1))}).test_tasks()
    assert tasks.split == "train"
    assert "none to hold out" in why
    tasks, why = cell().test_tasks()
    assert (tasks.split, why) == ("held-out", None)


def climbs(rate: float, num_steps: int) -> np.ndarray:
    """What ``return/after`` is at each step [S, T], in trainings one by one."""
    runs = [jmeta.train(Climb(rate=rate), jax.random.key(seed), num_steps, progress=False) for seed in (5, 6, 7)]
    return np.stack([run.metrics["return/after"] for run in runs])


def test_learning_curves_are_those_of_trainings_alone(tmp_path):
    """Kept beside the returns, by variant and seed, at the environment steps that one training has had."""
    variants = {f"rate={rate}": Climb(rate=rate) for rate in (1.0, 3.0)}
    asked = comparison(cell(variants), fixed(2), num_steps=6)
    compare(asked, tmp_path)
    trained, written_by_hand = compare(asked, tmp_path).results  # as read from disk
    np.testing.assert_array_equal(trained.learning.return_after, [climbs(1.0, 6), climbs(3.0, 6)])
    np.testing.assert_array_equal(trained.learning.env_steps, [STEP * t for t in range(1, 7)])
    assert trained.learning.return_before.shape == (2, 3, 6)
    assert written_by_hand.learning is None
    assert not (tmp_path / "cells/counting/climb/learning.partial").exists()


def test_the_learning_curve_of_a_training_ends_where_it_fails(tmp_path):
    """It is frozen, so what its metrics are after that has no meaning."""
    (result,) = compare(comparison(cell({"": Climb(fuse=3.0)}), num_steps=8), tmp_path).results
    alone = climbs(1.0, 8)
    expected = np.where(np.maximum.accumulate(alone >= 3, axis=1), np.nan, alone)
    taken = result.learning.return_after.shape[-1]
    np.testing.assert_array_equal(result.learning.return_after[0], expected[:, :taken])
    assert np.isnan(expected[:, :taken]).any(axis=1).all()


def test_a_cell_of_an_earlier_version_has_no_learning_curve(tmp_path):
    compare(comparison(), tmp_path)
    (tmp_path / "cells/counting/climb/learning.npz").unlink()
    outcome = compare(comparison(), tmp_path)
    assert outcome.results[0].learning is None
    np.testing.assert_array_equal(levels(outcome), [expected(1.0, 4)])
    write_report(outcome, tmp_path)
    assert not (tmp_path / "learning.png").exists()


def test_a_learning_log_agrees_with_the_checkpoint(tmp_path):
    """Steps after the checkpoint are taken again, a row that was cut off is none, and what was not recorded is NaN."""

    def metrics(*values: float) -> dict[str, np.ndarray]:
        return {"return/before": np.asarray(values)[:, None], "return/after": 10 * np.asarray(values)[:, None]}

    file = tmp_path / "log"
    LearningLog(file, 1, 0).append(metrics(1.0, 2.0, 3.0))
    with file.open("ab") as stream:
        stream.write(b"torn")
    log = LearningLog(file, 1, 2)
    log.append(metrics(4.0))
    np.testing.assert_array_equal(log.curves(1, 7).return_after, [[[10.0, 20.0, 40.0]]])
    late = LearningLog(file, 1, 5)
    np.testing.assert_array_equal(late.curves(1, 7).return_before, [[[1.0, 2.0, 4.0, np.nan, np.nan]]])
    np.testing.assert_array_equal(late.curves(1, 7).env_steps, [7, 14, 21, 28, 35])
    assert LearningLog(file, 1, 0).curves(1, 7).return_after.shape == (1, 1, 0)


# Going on


def test_finished_cells_are_not_run_again(tmp_path, monkeypatch):
    first = compare(comparison(cell(), fixed(2)), tmp_path)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").rglob("*")}
    monkeypatch.setattr(run, "train_cell", None)
    again = compare(comparison(cell(), fixed(2)), tmp_path)
    np.testing.assert_array_equal(levels(again), levels(first))
    assert again.results[1].info == first.results[1].info
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").rglob("*")} == files


def test_algorithms_may_be_added(tmp_path):
    compare(comparison(cell()), tmp_path)
    outcome = compare(comparison(fixed(7), cell()), tmp_path)
    assert levels(outcome, 0) == 7
    np.testing.assert_array_equal(levels(outcome, 1), [expected(1.0, 4)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_seeds": 2}, "num_seeds: was 3, now 2"),
        ({"seed": 6}, "seed: was 5, now 6"),
        ({"num_test_tasks": 6}, "num_test_tasks: was 5, now 6"),
        ({"budget": Budget(env_steps=STEP)}, "budget.env_steps: was 192, now 48"),
        ({"cells": (cell({"": Climb(rate=2.0)}),)}, "learners..rate: was 1.0, now 2.0"),
        ({"cells": (dataclasses.replace(cell(), evaluation=Protocol(1, 9, 2)),)}, "protocol.segment_length: was 6, now 9"),
    ],
)
def test_changed_settings_are_refused(tmp_path, change, message):
    compare(comparison(), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        compare(dataclasses.replace(comparison(), **change), tmp_path)
    assert f"{tmp_path}/cells/counting/climb was made with other settings" in str(caught.value)
    assert "use the old settings or another results directory, or delete that directory" in str(caught.value)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_variants_in_another_order_are_not_mistaken_for_each_other(tmp_path):
    slow, fast = Climb(rate=1.0), Climb(rate=3.0)
    compare(comparison(cell({"slow": slow, "fast": fast})), tmp_path)
    with pytest.raises(ValueError, match=r"variants: was \['slow', 'fast'\], now \['fast', 'slow'\]"):
        compare(comparison(cell({"fast": fast, "slow": slow})), tmp_path)


def test_what_is_trained_on_does_not_concern_hand_written_learners(tmp_path):
    compare(comparison(fixed(2)), tmp_path)
    compare(comparison(fixed(2), num_seeds=9, budget=Budget(wall_clock_seconds=1)), tmp_path)
    with pytest.raises(ValueError, match="num_test_tasks: was 5, now 7"):
        compare(comparison(fixed(2), num_test_tasks=7), tmp_path)


def test_an_interrupted_cell_goes_on_where_it_was(tmp_path, monkeypatch):
    """Stopped after step 3 of 7; then it computes what it would have computed, and has nothing left to clean up."""
    monkeypatch.setattr(engine, "SECONDS_PER_CHUNK", 0.0)  # one step
    monkeypatch.setattr(training, "SECONDS_PER_LINE", -1.0)
    said = []

    def interrupt(message):
        said.append(message)
        if message.endswith("outer step 3"):
            signal.raise_signal(signal.SIGINT)

    asked = comparison(fixed(2), cell(), fixed(3, "later"), num_steps=7)
    handler = signal.getsignal(signal.SIGINT)
    outcome = compare(asked, tmp_path, say=interrupt)
    assert signal.getsignal(signal.SIGINT) is handler
    assert outcome.interrupted_by == "SIGINT"
    assert [result.error for result in outcome.results] == [None, "not run yet", "not run yet"]
    assert levels(outcome, 0) == 2
    assert not any("step 4" in message for message in said)

    said.clear()
    outcome = compare(asked, tmp_path, say=said.append)
    assert "climb on counting: continuing at outer step 3" in said
    assert sum("of the budget" in message for message in said) == 4
    np.testing.assert_array_equal(levels(outcome, 1), [expected(1.0, 7)])
    np.testing.assert_array_equal(outcome.results[1].learning.return_after, [climbs(1.0, 7)])
    assert (outcome.interrupted_by, levels(outcome, 2)) == (None, 3)
    assert sorted(path.name for path in (tmp_path / "cells/counting/climb").iterdir()) == [
        "learning.npz",
        "result.json",
        "returns.npz",
        "settings.json",
    ]


def test_a_second_ctrl_c_stops_at_once(tmp_path):
    def twice(message):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        compare(comparison(), tmp_path, say=twice)
    assert levels(compare(comparison(), tmp_path)).shape == (1, 3)


def test_a_long_cell_is_saved_as_it_goes(tmp_path, monkeypatch):
    """A machine that dies in the middle of step 5 leaves the checkpoint of step 4."""
    monkeypatch.setattr(engine, "SECONDS_PER_CHUNK", 0.0)
    monkeypatch.setattr(training, "SECONDS_PER_LINE", -1.0)
    monkeypatch.setattr(training, "SECONDS_PER_CHECKPOINT", 0.0)

    def die(message):
        if message.endswith("outer step 4"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(comparison(num_steps=7), tmp_path, say=die)
    said = []
    outcome = compare(comparison(num_steps=7), tmp_path, say=said.append)
    assert "climb on counting: continuing at outer step 4" in said
    np.testing.assert_array_equal(levels(outcome), [expected(1.0, 7)])


@pytest.mark.parametrize("name", ["returns.npz", "result.json", "settings.json"])
def test_a_damaged_cell(tmp_path, name):
    compare(comparison(fixed(2)), tmp_path)
    file = tmp_path / "cells/counting/fixed" / name
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ValueError, match=r"cells/counting/fixed.* is damaged .* delete "):
        compare(comparison(fixed(2)), tmp_path)


# What goes wrong


def test_a_training_that_goes_non_finite_is_frozen_and_named(tmp_path):
    """The fuse of one variant is at level 3: it fails where its own climb gets there. The other variant does not notice."""
    outcome = compare(comparison(cell({"sound": Climb(), "fused": Climb(fuse=3.0)}), num_steps=8), tmp_path)
    climbs = []
    for seed in (5, 6, 7):
        history = jmeta.train(Climb(), jax.random.key(seed), 8, progress=False).metrics["return/after"]
        climbs.append(int(np.argmax(history >= 3)) + 1)
        assert history.max() >= 3
    sound, fused = outcome.results[0].info["variants"]
    assert sound == {"label": "sound", "failures": [None] * 3}
    assert fused["failures"] == [f"sick is not finite at outer step {step}" for step in climbs]
    returns = outcome.results[0].returns
    assert np.isnan(returns.episode_returns[1]).all()
    np.testing.assert_array_equal(returns.episode_returns[0, :, 0, 0], np.asarray(expected(1.0, 8)) * 3)
    rows = summarise(outcome)["tasks"][0]["rows"]
    assert rows[0]["failed"] is None
    assert rows[1]["failed"] == f"3 of 3 seeds; seed 5: sick is not finite at outer step {climbs[0]}"


def test_when_all_have_failed_training_ends(tmp_path):
    outcome = compare(comparison(cell({"": Climb(fuse=-1.0)}), fixed(2), num_steps=10**6), tmp_path)
    assert outcome.results[0].info["outer_steps"] == 1
    assert outcome.results[0].error is None
    (failed, sound) = summarise(outcome)["tasks"][0]["rows"]
    assert failed["failed"].startswith("3 of 3 seeds; seed 5: sick is not finite at outer step 1")
    assert sound["mean"]["value"] == 6.0
    write_report(outcome, tmp_path)


def test_the_table_shows_what_each_episode_returned(tmp_path):
    summary = summarise(compare(comparison(cell({"": Climb()}), fixed(2)), tmp_path))
    trained, by_hand = summary["tasks"][0]["rows"]
    trained["curve"]["value"], by_hand["curve"]["value"] = [1.0, 2.5], [0.5]
    label = by_hand["label"]
    assert f"| episode | 1 | 2 |\n| --- | ---: | ---: |\n| climb | 1 | 2.5 |\n| {label} | 0.5 | — |\n" in markdown(summary)
    trained["curve"]["value"] = list(range(1, 13))
    assert "| episode | 1 | 2 | 3 | 5 | 10 | 12 |" in markdown(summary)
    assert "| climb | 1 | 2 | 3 | 5 | 10 | 12 |" in markdown(summary)


def test_a_cell_that_breaks_is_reported_and_tried_again(tmp_path):
    said = []
    outcome = compare(comparison(cell({"": Climb(broken="no such kernel")}), fixed(2)), tmp_path, say=said.append)
    assert [result.error for result in outcome.results] == ["RuntimeError: no such kernel", None]
    assert "climb on counting failed: RuntimeError: no such kernel" in said
    assert "climb | failed |" in markdown(summarise(outcome))
    assert "- climb: RuntimeError: no such kernel" in markdown(summarise(outcome))
    said.clear()
    compare(comparison(cell({"": Climb(broken="no such kernel")}), fixed(2)), tmp_path, say=said.append)
    assert said == ["climb on counting failed: RuntimeError: no such kernel"]


def test_what_can_not_work_is_refused(tmp_path):
    for options, message in (
        ({"num_seeds": 0}, "seeds=0: it must be at least 1"),
        ({"seed": -1}, "seed=-1: give a whole number from 0 to 4294967295"),
        ({"seed": 2**32 - 1, "num_seeds": 2}, "seed=4294967296: give a whole number from 0 to 4294967295"),
        ({"num_test_tasks": 0}, "num_test_tasks=0: it must be at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            comparison(**options)
    with pytest.raises(ValueError, match="there is nothing to compare"):
        Comparison("empty", (), 1, Budget(env_steps=1))
    for options, message in (
        ({}, "neither env_steps nor wall_clock_seconds is given: give one of them"),
        ({"env_steps": 1, "wall_clock_seconds": 1.0}, "both env_steps and wall_clock_seconds are given"),
        ({"env_steps": 0}, "env_steps=0: a budget must be positive"),
        ({"wall_clock_seconds": -1.0}, "wall_clock_seconds=-1.0: a budget must be positive"),
    ):
        with pytest.raises(ValueError, match=message):
            Budget(**options)
    with pytest.raises(ValueError, match=r"climb on counting: num_tasks=3 on 2 devices"):
        compare(comparison(cell({"": Climb(num_tasks=3)})), tmp_path / "out", num_devices=2)
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"can't write to .*/file/out: Not a directory; choose another directory"):
        compare(comparison(), tmp_path / "file" / "out")


def test_variants_differ_in_numbers_only():
    rates = Variants.of({"slow": Climb(rate=0.5), "fast": Climb(rate=2.0)})
    (values,) = rates.varying.values()
    assert values.tolist() == [0.5, 2.0]
    assert rates.learner({index: 7.0 for index in rates.varying}) == Climb(rate=7.0)
    assert Variants.of({"": Climb()}).varying == {}
    with pytest.raises(ValueError, match="'more' and 'few' differ in more than numbers"):
        Variants.of({"few": Climb(), "more": Climb(num_tasks=8)})
    with pytest.raises(ValueError, match="'again' makes no number of the learner differ"):
        Variants.of({"once": Climb(), "again": Climb()})


def test_large_arrays_are_told_apart_by_checksum():
    """Settings are read by people; an index has thousands of entries."""
    tasks = BernoulliBandit(num_arms=2, num_pulls=10)
    make = lambda table: HandWritten(  # noqa: E731
        jmeta.references.GittinsIndex(1, Discrete(2), table=table, num_pulls=10), tasks, Protocol(1, 10, 1)
    )
    table = jnp.asarray(jmeta.references.gittins_table(10))
    one, other = (comparison().settings(cell({"": make(x)})) for x in (table, table.at[7].add(1e-3)))
    assert len(json.dumps(one)) < 1000
    assert one != other
    assert one == comparison().settings(cell({"": make(jnp.array(table))}))


def test_settings_that_a_network_swallows_are_no_variants():
    """MAML's initial_std is inside its network, so two of them would train the same."""
    tasks = jmeta.tasks.PointNavigation(horizon=5)
    build = lambda **fields: jmeta.algorithms.maml(tasks, widths=(4,), num_streams=2, num_tasks=4, **fields)  # noqa: E731
    with pytest.raises(ValueError, match=r"'b' makes no number of the learner differ"):
        Variants.of({"a": build(initial_std=1.0), "b": build(initial_std=0.5)})
    assert len(Variants.of({"a": build(learning_rate=1e-3), "b": build(learning_rate=1e-2)}).varying) == 1


# What is reported


def result(name: str, scores: Any, *, kind: str = "", reference: dict[str, Any] | None = None) -> CellResult:
    """A cell on 2 tasks, S seeds, that earns its score [S, 2] less 1 in the first episode, and 1 more in the second."""
    scores = np.asarray(scores, np.float32)
    episodes = np.stack([scores - 1, scores + 1], axis=-1)[None]
    returns = Returns(
        lifetime_returns=episodes.sum(-1),
        episode_returns=episodes,
        segment_returns=episodes.sum(-1)[..., None],
        episode_env_steps=np.tile(np.asarray([0.0, 6.0]), (1, len(scores), 1)),
    )
    info = {
        "variants": [{"label": "", "failures": [None] * len(scores)}],
        "seeds": list(range(len(scores))),
        "split": "held-out",
        "why_not_held_out": None,
        "protocol": PROTOCOL._replace(num_streams=1)._asdict(),
        "horizon": 3,
        "reference": reference,
        "outer_steps": 0 if kind == "random" else 4,
        "env_steps": 4 * STEP,
        "train_seconds": 1.5,
        "compile_seconds": 2.5,
    }
    return CellResult(cell(name=name, kind=kind or name), returns, info)


def test_a_summary_by_hand():
    """Random scores 1 on the average and the optimum is 5 per episode, given as 10 for a lifetime of two."""
    reference = {"label": "Bayes optimum", "value": 10.0, "per": "lifetime"}
    results = (
        result("ours", [[3.0, 4.0], [3.0, 2.0]], reference=reference),
        result("theirs", [[2.0, 2.0], [2.0, 2.0]], reference=reference),
        result("random", [[0.0, 2.0]], kind="random", reference=reference),
        result("told", [[5.0, 5.0]], kind="oracle", reference=reference),
    )
    summary = summarise(Outcome(comparison(*(r.cell for r in results)), results))
    (task,) = summary["tasks"]
    assert (task["random"], task["best"]) == (1.0, "ours")  # the oracle is told the task
    assert task["optimum"] == {"label": "Bayes optimum of 6 steps", "value": 5.0}
    ours, theirs, random, told = task["rows"]
    assert ours["mean"]["value"] == 3.0
    assert ours["normalised"]["value"] == 0.5  # (3 - 1) / (5 - 1)
    assert ours["regret"]["value"] == 2.0
    assert ours["iqm"]["value"] == 3.0  # of 3 and 3
    assert ours["seed_means"] == [3.5, 2.5]
    assert (ours["zero_shot"]["value"], ours["final"]["value"], ours["lifetime"]["value"]) == (2.0, 4.0, 6.0)
    assert ours["curve"]["env_steps"] == [0.0, 6.0]
    assert ours["curve"]["value"] == [2.0, 4.0]
    assert ours["difference_to_best"] is None
    assert (theirs["normalised"]["value"], theirs["difference_to_best"]["value"]) == (0.25, -1.0)
    assert theirs["probability_of_beating_best"] == 0.125  # 2 loses to 3, 3 and 4, and ties with 2: (0 + 0 + 0 + 1/2) / 4
    # A constant score has an interval of no width. The curve rises by 2, more than 5 % of 5 - 1, and ends where it settles.
    assert theirs["regret"] == {"value": 3.0, "low": 3.0, "high": 3.0}
    assert theirs["adaptation_length"] == 6.0
    assert ours["regret"]["low"] <= 2.0 <= ours["regret"]["high"]
    assert ours["regret"]["low"] == pytest.approx(5 - ours["mean"]["high"])
    assert told["regret"] is None  # the optimum is that of learning the task
    assert told["normalised"] is None
    assert random["normalised"]["value"] == 0.0
    # Scores run from -1/4 (random's 0) to 3/4 (our 4), and nothing is above the highest.
    assert task["profile_thresholds"][0] == -0.25
    assert task["profile_thresholds"][-1] == 0.75
    assert (ours["profile"][0], ours["profile"][-1], random["profile"][0]) == (1.0, 0.0, 0.5)
    # One family: seeds score (3.5 - 1) / 4 and (2.5 - 1) / 4.
    suite = {row["label"]: row for row in summary["suite"]}
    assert suite["ours"]["mean"]["value"] == 0.5
    assert suite["ours"]["mean"]["low"] == 0.375
    assert suite["random"]["mean"] == {"value": 0.0, "low": None, "high": None}


def test_a_reference_per_episode_and_a_learned_one():
    known = {"label": "goal known", "value": 5.0, "per": "episode"}
    for reference, chosen, optimum in (
        (known, "theirs", {"label": "goal known", "value": 5.0}),
        (None, "theirs", {"label": "theirs, learned", "value": 4.0}),
        (None, None, None),
    ):
        results = tuple(
            result(name, scores, reference=reference) for name, scores in (("random", [[1.0, 1.0]]), ("theirs", [[4.0, 4.0]]))
        )
        asked = comparison(*(r.cell for r in results), reference=chosen)
        (task,) = summarise(Outcome(asked, results))["tasks"]
        assert task["optimum"] == optimum
        normalised = task["rows"][1]["normalised"]
        assert (normalised and normalised["value"]) == {None: None, 5.0: 0.75, 4.0: 1.0}[optimum and optimum["value"]]


def test_episodes_that_end_early_against_a_lifetime_s_reference():
    """More episodes fit in than are counted: the lifetime paid 12, not the 2 + 4 of its two counted episodes."""
    made = result("ours", [[3.0, 3.0]], reference={"label": "best", "value": 20.0, "per": "lifetime"})
    made = dataclasses.replace(made, returns=dataclasses.replace(made.returns, lifetime_returns=np.full((1, 1, 2), 12.0)))
    (task,) = summarise(Outcome(comparison(made.cell), (made,)))["tasks"]
    assert task["rows"][0]["mean"]["value"] == 6.0
    assert task["rows"][0]["regret"]["value"] == 4.0


def lived(made: CellResult, protocol: Protocol, reference: dict[str, Any]) -> CellResult:
    return dataclasses.replace(made, info=made.info | {"protocol": protocol._asdict(), "reference": reference})


def test_a_score_is_normalised_by_the_optimum_of_the_same_experience():
    """Lifetimes of 6 steps have the optimum 10, of 12 steps 28, which is 5 and 7 per episode of 3 steps. Random scores 1.

    With 4 streams no optimum is known, neither a regret, though its score of 6 is above the 5 of a single stream. An oracle knows
    the task, which an optimal learner does not, and has no optimum either.
    """

    def known(value: float) -> dict[str, Any]:
        return {"label": "Bayes optimum", "value": value, "per": "lifetime"}

    results = (
        lived(result("ours", [[3.0, 3.0]]), Protocol(1, 6, 1), known(10.0)),
        lived(result("long", [[4.0, 4.0]]), Protocol(2, 6, 1), known(28.0)),
        lived(result("many", [[6.0, 6.0]]), Protocol(1, 6, 4), known(10.0)),
        lived(result("more", [[5.0, 5.0]]), Protocol(1, 6, 4), known(10.0)),
        lived(result("told", [[8.0, 8.0]], kind="oracle"), Protocol(1, 6, 1), known(10.0)),
        lived(result("random", [[1.0, 1.0]], kind="random"), Protocol(1, 6, 1), known(10.0)),
    )
    (task,) = summarise(Outcome(comparison(*(r.cell for r in results)), results))["tasks"]
    rows = {row["label"]: row for row in task["rows"]}
    assert rows["ours"]["normalised"]["value"] == 0.5  # (3 - 1) / (5 - 1)
    assert rows["long"]["normalised"]["value"] == 0.5  # (4 - 1) / (7 - 1)
    assert [rows[name]["regret"]["value"] for name in ("ours", "long")] == [2.0, 3.0]
    for name in ("many", "more", "told"):
        assert [rows[name][what] for what in ("optimum", "normalised", "regret", "profile")] == [None] * 4
    # The best of those with the same experience: the random one against ours, more against many, and long is alone.
    assert {name: row["difference_to_best"] and row["difference_to_best"]["value"] for name, row in rows.items()} == {
        "ours": None, "long": None, "many": None, "more": -1.0, "told": 5.0, "random": -2.0
    }  # fmt: skip
    assert task["optimum"] == {"label": "Bayes optimum of 6 steps", "value": 5.0}
    assert max(row["normalised"]["value"] for row in rows.values() if row["normalised"]) <= 1.0


def test_a_reference_per_episode_holds_for_any_experience():
    known = {"label": "goal known", "value": 5.0, "per": "episode"}
    results = (
        lived(result("many", [[4.0, 4.0]]), Protocol(1, 6, 4), known),
        lived(result("random", [[1.0, 1.0]], kind="random"), Protocol(1, 6, 1), known),
    )
    (task,) = summarise(Outcome(comparison(*(r.cell for r in results)), results))["tasks"]
    assert task["rows"][0]["normalised"]["value"] == 0.75  # (4 - 1) / (5 - 1)


def test_a_learning_curve_by_hand(tmp_path):
    """250 outer steps in 100 parts: the first fifty have 3 steps, the others 2. Two seeds earn t and t + 2 at step t."""
    t = np.arange(1.0, 251.0)
    learning = LearningCurves(np.zeros((1, 2, 250)), np.stack([t, t + 2])[None], STEP * np.arange(1, 251))
    made = dataclasses.replace(result("ours", [[3.0, 4.0], [3.0, 2.0]]), learning=learning)
    outcome = Outcome(comparison(made.cell), (made,))
    write_report(outcome, tmp_path)
    curve = summarise(outcome)["tasks"][0]["rows"][0]["learning"]
    assert len(curve["value"]) == 100
    assert (curve["env_steps"][0], curve["env_steps"][-1]) == (3 * STEP, 250 * STEP)
    assert (curve["value"][0], curve["low"][0], curve["high"][0]) == (3.0, 2.0, 4.0)
    assert (curve["value"][-1], curve["low"][-1], curve["high"][-1]) == (250.5, 249.5, 251.5)
    assert (tmp_path / "learning.png").read_bytes().startswith(b"\x89PNG")
    learning.return_after[0, 0, :248] = np.nan  # recorded from step 249 on
    late = summarise(outcome)["tasks"][0]["rows"][0]["learning"]
    assert (late["env_steps"], late["value"]) == ([249 * STEP, 250 * STEP], [250.0, 251.0])


def test_random_is_grey_and_no_algorithm_is():
    labels = [*(f"algorithm {i}" for i in range(8)), "random"]
    looks = [tuple(figures._look(label, labels).items()) for label in labels]
    assert len(set(looks)) == 9
    assert [dict(look)["color"] for look in looks].count(figures.RANDOM_COLOUR) == 1
    assert figures._look("random", labels) == {"color": figures.RANDOM_COLOUR, "ls": "-"}
    assert figures._look("a", ["random", "a"]) == figures._look("a", ["a", "random"])


def outcome_with_awkward_names() -> Outcome:
    reference = {"label": "</script><b>best", "value": 10.0, "per": "lifetime"}
    results = (
        result("a|b</script>", [[3.0, 4.0], [3.0, 2.0]], reference=reference),
        result("random", [[0.0, 2.0]], kind="random", reference=reference),
        CellResult(cell(name="missing"), None, {}, "not run yet"),
    )
    return Outcome(comparison(*(r.cell for r in results)), results, "SIGINT")


def test_reports(tmp_path):
    outcome = outcome_with_awkward_names()
    table = write_report(outcome, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["results.json", "table.md", "report.html", "curves.png", "profile.png", "normalised.png"]
    )
    for name in ("curves", "profile", "normalised"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "results.json").read_text()) == json.loads(json.dumps(summarise(outcome)))
    lines = table.read_text().splitlines()
    assert "Ended early by SIGINT." in lines[2]
    row, *_ = [line for line in lines if line.startswith("| a\\|b</script>")]
    columns = dict(zip(*(re.split(r" (?<!\\)\| ", line.strip("| ")) for line in (lines[8], row)), strict=True))
    assert columns["mean"].startswith("3 [")
    assert columns["normalised"].startswith("0.5 [")
    assert (columns["env steps"], columns["wall-clock"]) == ("192", "1.5 + 2.5")
    assert any(line.startswith("| missing | not run yet | — |") for line in lines)
    assert not any(line.startswith("- missing") for line in lines)


def test_a_report_of_nothing(tmp_path):
    """Interrupted before the first cell was finished."""
    outcome = Outcome(comparison(), (CellResult(cell(), None, {}, "not run yet"),), "SIGINT")
    assert "| climb | not run yet |" in write_report(outcome, tmp_path).read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "results.json", "table.md"]


def test_the_page_is_whole_in_itself(tmp_path):
    """It asks for nothing, and holds the numbers of results.json, whatever names look like."""
    write_report(outcome_with_awkward_names(), tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert not re.search(r"\b(src|href)\s*=|url\(|@import|fetch\(|XMLHttpRequest|<link|<!--", page)
    assert set(re.findall(r"https?://[^\"']+", page)) == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert page.count("</script>") == 2
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert json.loads(data)["summary"] == json.loads((tmp_path / "results.json").read_text())


# The real thing


@pytest.mark.slow
def test_a_bandit(tmp_path):
    """Two learning rates and two seeds of RL² beside the random policy."""
    tasks = BernoulliBandit(num_arms=2, num_pulls=3)
    build = lambda rate: jmeta.algorithms.rl2(  # noqa: E731
        tasks, hidden_size=4, num_tasks=16, num_epochs=1, num_minibatches=2, learning_rate=rate
    )
    random = HandWritten(jmeta.references.Random(1, Discrete(2)), tasks, Protocol(1, 3, 1))
    cells = (
        Cell("bandit", "rl2", "rl2", {f"learning_rate={rate}": build(rate) for rate in (1e-3, 1e-1)}),
        Cell("bandit", "random", "random", {"": random}),
    )
    asked = Comparison("bandit", cells, 2, Budget(env_steps=3 * 16 * 25), num_test_tasks=200)
    outcome = compare(asked, tmp_path)
    returns = outcome.results[0].returns
    assert returns.episode_returns.shape == (2, 2, 200, 3)
    assert outcome.results[0].info["outer_steps"] == 25
    outer = build(1e-1)
    theta = jmeta.train(outer, jax.random.key(1), 25, progress=False).theta
    key = jax.random.fold_in(jax.random.key(0), EVALUATION_FOLD)
    alone = jmeta.evaluate(outer.inner, tasks.held_out, theta, key, protocol=outer.protocol, num_tasks=200)
    # The same up to rounding, which may turn a coin here and there.
    assert np.mean(alone.episode_returns == returns.episode_returns[1, 1]) > 0.98
    assert np.mean(alone.episode_returns == returns.episode_returns[0, 1]) < 0.9
    (task,) = summarise(outcome)["tasks"]
    assert task["optimum"]["label"] == "Bayes optimum of 3 steps"
    assert task["optimum"]["value"] == pytest.approx(jmeta.references.bayes_optimal_return(2, 3) / 3)
    assert task["random"] == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(600))  # z = 4


@pytest.mark.parametrize(("longest", "scale"), [(400, "linear"), (4000, "symlog")])
def test_curves_of_short_lives_can_be_read_beside_long_ones(longest, scale):
    axes = Figure().subplots()
    for end in (0, 100, longest):  # a lifetime of a single episode ends where it begins
        axes.plot([0, end], [0.0, 1.0])
    show_all_spans(axes)
    assert axes.get_xscale() == scale
    at = lambda steps: axes.transData.transform((steps, 0.0))[0]  # noqa: E731
    assert (at(100) - at(0)) / (at(longest) - at(0)) > 0.2
