"""Published tables as comparisons: fixed outer steps, splits, returns by segment, policies that adapt only in evaluation."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest

import jmeta
from jmeta.comparison import Budget, Cell, Outcome, compare, markdown, summarise, write_report
from jmeta.comparison.pretrained import pretrained
from jmeta.evaluation.evaluate import EVALUATION_FOLD
from jmeta.inner.gradient_agent import Initialisation
from jmeta.tasks import PointNavigation
from jmeta.training.engine import Engine
from jmeta.training.programs import INIT_FOLD
from jmeta.types import Protocol
from tests.comparison.test_comparison import Climb, cell, comparison, expected, fixed, levels, result
from tests.evaluation.test_evaluate import Counting

# Outer steps


def test_an_algorithm_may_have_its_own_number_of_outer_steps(tmp_path: Path) -> None:
    own = dataclasses.replace(cell(name="own"), outer_steps=2)
    outcome = compare(comparison(own, cell()), tmp_path)
    np.testing.assert_array_equal(levels(outcome, 0), [expected(1.0, 2)])
    np.testing.assert_array_equal(levels(outcome, 1), [expected(1.0, 4)])
    assert "192 environment steps for each training, except for these outer steps: own 2." in markdown(summarise(outcome))


def test_no_outer_step_evaluates_fresh_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "_compile", lambda *_: pytest.fail("compiled a training of no step"))
    fresh = dataclasses.replace(cell(), outer_steps=0)
    outcome = compare(comparison(fresh, budget=None), tmp_path)
    np.testing.assert_array_equal(levels(outcome), [[0.0, 0.0, 0.0]])
    assert (outcome.results[0].info["outer_steps"], outcome.results[0].info["env_steps"]) == (0, 0)
    assert "outer steps of each training: climb 0." in write_report(outcome, tmp_path).read_text("utf-8")


def test_every_training_has_a_budget() -> None:
    comparison(dataclasses.replace(cell(), outer_steps=1), fixed(2), budget=None)
    with pytest.raises(ValueError, match=r"neither env_steps .* or outer_steps for each algorithm that trains, such as climb"):
        comparison(dataclasses.replace(cell(name="own"), outer_steps=1), cell(), budget=None)
    with pytest.raises(ValueError, match="outer_steps=-1: give a whole number of at least 0"):
        comparison(dataclasses.replace(cell(), outer_steps=-1))
    with pytest.raises(ValueError, match=f"outer_steps={2**31}: give {2**31 - 2} at most"):
        Budget(outer_steps=2**31)
    with pytest.raises(ValueError, match="both env_steps and outer_steps are given"):
        Budget(env_steps=3, outer_steps=3)


def test_outer_steps_and_split_are_settings_of_a_cell(tmp_path: Path) -> None:
    asked = dataclasses.replace(cell(), outer_steps=2)
    compare(comparison(asked), tmp_path)
    with pytest.raises(ValueError, match=r"budget\.outer_steps: was 2, now 3"):
        compare(comparison(dataclasses.replace(asked, outer_steps=3)), tmp_path)
    with pytest.raises(ValueError, match="split: was None, now train"):
        compare(comparison(dataclasses.replace(asked, split="train")), tmp_path)


def test_a_cell_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """It knows neither outer steps nor trajectories."""
    first = compare(comparison(), tmp_path)
    place = tmp_path / "cells/counting/climb"
    settings = json.loads((place / "settings.json").read_text())
    del settings["budget"]["outer_steps"]
    (place / "settings.json").write_text(json.dumps(settings))
    with np.load(place / "returns.npz") as arrays:
        kept = {name: arrays[name] for name in arrays.files if name != "trajectory_returns"}
    np.savez_compressed(place / "returns.npz", **kept)
    again = compare(comparison(), tmp_path)
    np.testing.assert_array_equal(levels(again), levels(first))
    assert again.results[0].returns.trajectory_returns is None
    assert summarise(again)["tasks"][0]["rows"][0]["trajectories"] is None
    write_report(again, tmp_path)


# Splits


def test_the_test_tasks_may_be_training_tasks(tmp_path: Path) -> None:
    """Each task has a bonus of its own, so returns tell tasks apart."""
    told = dataclasses.replace(fixed(1).learner, tasks=Counting(has_bonus=True))
    held_out, train = (
        Cell(name, "fixed", "fixed", {"": told}, split=split) for name, split in (("new", "held-out"), ("old", "train"))
    )
    outcome = compare(comparison(held_out, train), tmp_path)
    new, old = outcome.results
    assert (new.info["split"], old.info["split"], old.info["why_not_held_out"]) == ("held-out", "train", None)
    assert not np.intersect1d(new.returns.lifetime_returns, old.returns.lifetime_returns).size
    assert "5 train tasks." in markdown(summarise(outcome))


# Returns by segment, and published scores


def test_returns_by_segment_are_kept_and_shown(tmp_path: Path) -> None:
    """Playing level n pays 3 n in each episode of 3 steps, of which a segment has two."""
    own = dataclasses.replace(cell(), evaluation=Protocol(3, 6, 1))
    outcome = compare(comparison(own, fixed(2)), tmp_path)
    trained = outcome.results[0].returns.trajectory_returns
    assert trained.shape == (1, 3, 5, 3)
    each = 3 * np.asarray(expected(1.0, 4))
    np.testing.assert_array_equal(trained, np.broadcast_to(each[None, :, None, None], trained.shape))
    table = markdown(summarise(outcome))
    assert "Mean return of all episodes that end within each segment:\n\n| segment | 1 | 2 | 3 |\n" in table
    for seed, value in zip((5, 6, 7), each, strict=True):
        assert f"| climb, seed {seed} | {value:.4g} | {value:.4g} | {value:.4g} |\n" in table
    assert f"| climb | {each.mean():.4g} |" in table
    assert "| fixed | 6 | — | — |\n" in table  # one segment of two streams


def test_lifetimes_of_one_segment_and_stream_have_no_table_by_segment() -> None:
    made = result("ours", [[3.0, 4.0], [3.0, 2.0]])
    returns = dataclasses.replace(made.returns, trajectory_returns=made.returns.segment_returns)
    made = dataclasses.replace(made, returns=returns)
    summary = summarise(Outcome(comparison(made.cell), (made,)))
    # Each lifetime returns twice its score: 6 and 8 with the first seed, 6 and 4 with the second.
    assert summary["tasks"][0]["rows"][0]["trajectories"] == {"value": [6.0], "by_seed": {"0": [7.0], "1": [5.0]}}
    assert "within each segment:" not in markdown(summary)


def test_published_scores_are_a_column_where_there_are_any() -> None:
    made = result("ours", [[3.0, 4.0], [3.0, 2.0]])
    assert " published |" not in markdown(summarise(Outcome(comparison(made.cell), (made,))))
    told = dataclasses.replace(made, cell=dataclasses.replace(made.cell, published={"MAML": "-40.4, -11.68", "RL²": "6.70"}))
    results = (told, result("theirs", [[2.0, 2.0], [2.0, 2.0]]))
    summary = summarise(Outcome(comparison(*(r.cell for r in results)), results))
    assert summary["tasks"][0]["rows"][0]["published"] == {"MAML": "-40.4, -11.68", "RL²": "6.70"}
    lines = markdown(summary).splitlines()
    assert next(line for line in lines if line.startswith("| algorithm")).endswith("| wall-clock | published |")
    assert next(line for line in lines if line.startswith("| ours")).endswith("| MAML -40.4, -11.68, RL² 6.70 |")
    assert next(line for line in lines if line.startswith("| theirs")).endswith("| — |")


# Policies that adapt only in evaluation


TASKS = PointNavigation(horizon=5)
AVERAGE = jmeta.algorithms.average(TASKS, widths=(4,), num_tasks=4, num_minibatches=1)
MAML = jmeta.algorithms.maml(TASKS, widths=(4,), num_streams=2, num_tasks=4)


def test_a_trained_policy_is_adapted_in_evaluation(tmp_path: Path) -> None:
    made = Cell("points", "pretrained", "average", {"": AVERAGE}, outer_steps=0, adapter=MAML)
    assert made.protocol == MAML.protocol
    (found,) = compare(comparison(made, num_seeds=2, budget=None), tmp_path).results
    assert found.info["adapted_by"] == "MAML"
    for s in range(2):
        theta = AVERAGE.init(jax.random.fold_in(jax.random.key(5 + s), INIT_FOLD)).theta
        start = Initialisation({"policy": theta["policy"], "torso": theta["torso"]}, ())
        key = jax.random.fold_in(jax.random.key(5), EVALUATION_FOLD)
        alone = jmeta.evaluate(MAML.inner, TASKS.held_out, start, key, protocol=MAML.protocol, num_tasks=5)
        np.testing.assert_allclose(found.returns.episode_returns[0, s], alone.episode_returns, rtol=1e-5)
    with pytest.raises(ValueError, match=r"adapted_by: was .*'MAML'.*, now None"):
        compare(comparison(dataclasses.replace(made, adapter=None, evaluation=MAML.protocol), num_seeds=2), tmp_path)


def test_an_adapter_starts_from_the_trained_weights() -> None:
    theta = AVERAGE.init(jax.random.key(3)).theta
    start = pretrained(MAML.inner, theta)
    assert set(start.weights) == {"policy", "torso"}
    assert start.rule == MAML.inner.init(jax.random.key(0)).rule
    jax.tree.map(np.testing.assert_array_equal, start.weights, {"policy": theta["policy"], "torso": theta["torso"]})


@pytest.mark.parametrize(
    ("learner", "adapter", "message"),
    [
        (AVERAGE, AVERAGE, "adapted_by: FixedPolicy does not adapt weights by gradient steps: give an algorithm that does"),
        (MAML, MAML, "adapted_by: MAML adapts a policy with the parts policy, torso, which MAML does not have"),
        (jmeta.algorithms.average(TASKS, widths=(8,), num_tasks=4, num_minibatches=1), MAML, "give the widths that it has"),
        (
            jmeta.algorithms.average(TASKS, widths=(4,), num_tasks=4, num_minibatches=1, normalize_observations=True),
            MAML,
            "leave out normalize_observations and normalize_rewards",
        ),
    ],
    ids=["no-gradient-steps", "no-policy", "other-widths", "normalised"],
)
def test_adapters_that_do_not_fit_are_refused(learner, adapter, message) -> None:
    with pytest.raises(ValueError, match=message):
        Cell("points", "pretrained", "average", {"": learner}, adapter=adapter)


# A part of a comparison


def test_only_some_algorithms_may_run(tmp_path: Path) -> None:
    asked = comparison(fixed(2), cell(), fixed(3, "later"))
    outcome = compare(asked, tmp_path, only=["later"])
    assert [found.error for found in outcome.results] == ["not run yet", "not run yet", None]
    outcome = compare(asked, tmp_path, only=["climb"])
    assert [found.error for found in outcome.results] == ["not run yet", None, None]
    np.testing.assert_array_equal(levels(outcome, 1), [expected(1.0, 4)])
    assert [found.error for found in compare(asked, tmp_path).results] == [None, None, None]
    with pytest.raises(ValueError, match="only: no table of algorithms is called 'climp'; did you mean 'climb'"):
        compare(asked, tmp_path, only=["climp"])


def test_a_part_of_a_comparison_computes_what_the_whole_does(tmp_path: Path) -> None:
    whole = compare(comparison(cell({"": Climb(rate=2.0)}), fixed(2)), tmp_path / "whole")
    part = compare(comparison(cell({"": Climb(rate=2.0)}), fixed(2)), tmp_path / "part", only=["climb"])
    np.testing.assert_array_equal(levels(part), levels(whole))
