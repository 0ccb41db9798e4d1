"""The numbers of the bench: rows, scales and ranks of made-up cells, and the committed summary."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jmeta
from benchmarks.bench.known import drawn_tasks, known_score
from benchmarks.bench.ranks import mean_ranks
from benchmarks.bench.rows import FAILED, thinned
from benchmarks.bench.run import BUDGETS, DATA, note_failure
from benchmarks.bench.scale import scale_of
from benchmarks.bench.summary import read_summary, read_tables, runs_in, summarise, write_summary
from jmeta.comparison.store import NOT_RUN
from jmeta.evaluation.evaluate import EVALUATION_FOLD
from jmeta.types import Protocol
from tests.bench_cells import constant, failed, made_up, small_spec

KNOWN = {"one": {"value": 2.0, "label": "task known"}}


def test_a_row_has_the_numbers_of_its_cell(tmp_path: Path) -> None:
    made_up(tmp_path, "steps", "one", "random", constant(0.5, [0.0]))
    # Seed 0 earns 0 and 2 on the first task, 1 and 3 on the second; seed 1 one more.
    made_up(tmp_path, "steps", "one", "rl2", [[[0.0, 2.0], [1.0, 3.0]], [[1.0, 3.0], [2.0, 4.0]]])
    summary = summarise(tmp_path, small_spec(), KNOWN)
    each = summary["results"]["steps"]["one"]
    assert (each["num_test_tasks"], each["split"], each["devices"]) == (2, "held-out", ["2 x cpu"])
    row = each["rows"]["rl2"]
    assert row["score"]["value"] == 2.0  # (0 + 2 + 1 + 3 + 1 + 3 + 2 + 4) / 8
    assert row["seed_means"] == [1.5, 2.5]
    assert row["first"]["value"] == 1.0  # (0 + 1 + 1 + 2) / 4
    assert row["last"]["value"] == 3.0
    assert row["regressions"] == 0.0
    assert row["cvar"]["20"] == 1.5  # the worse of two tasks
    assert row["curve"]["env_steps"] == [0.0, 5.0]
    assert len(row["learning"]["value"]) == 40
    assert each["rows"]["random"]["learning"] is None
    assert summary["scales"]["one"] == {"random": 0.5, "upper": 2.0, "label": "task known", "learned": False}
    assert row["normalised"]["value"] == 1.0  # (2 - 0.5) / (2 - 0.5)
    assert row["normalised_last"]["value"] == 1.6667  # (3 - 0.5) / (2 - 0.5), with five digits
    assert row["normalised"]["low"] == pytest.approx((row["score"]["low"] - 0.5) / 1.5, rel=1e-4)
    experience = {found["label"]: found["next"]["value"] for found in each["experience"]["rows"]}
    assert experience == {"rl2": [1.0, 3.0], "random": [0.5, 0.5]}  # after 0 and 5 steps


def test_cells_that_are_missing_or_failed_are_told_apart(tmp_path: Path) -> None:
    made_up(tmp_path, "steps", "one", "rl2", constant(1.0))
    variants = [{"label": "", "failures": [None, "loss is not finite at outer step 3"]}]
    made_up(tmp_path, "steps", "one", "maml", constant(1.0), variants=variants)
    failed(tmp_path, "steps", "two", "maml", "XlaRuntimeError: out of memory")
    summary = summarise(tmp_path, small_spec(), KNOWN)
    assert list(summary["results"]["steps"]) == ["one", "two"]
    assert summary["results"]["clock"] == {}
    one, two = (summary["results"]["steps"][task]["rows"] for task in ("one", "two"))
    assert list(one) == ["rl2", "maml"]
    assert one["maml"] == {"failed": "1 of 2 seeds; seed 1: loss is not finite at outer step 3"}
    assert two == {"maml": {"failed": "XlaRuntimeError: out of memory"}}
    assert one["rl2"]["normalised"] is None
    assert summary["scales"]["one"] == {"missing": "random has not been run"}


def test_only_the_optimum_of_a_lifetime_is_one_of_learning(tmp_path: Path) -> None:
    """A reference per episode is the return with the task known, which is the scale's upper end."""
    for name, per in (("rl2", "lifetime"), ("maml", "episode")):
        made_up(tmp_path, "steps", "one", name, constant(1.0), reference={"label": "known", "value": 3.0, "per": per})
    rows = summarise(tmp_path, small_spec(), KNOWN)["results"]["steps"]["one"]["rows"]
    assert (rows["rl2"]["optimum"], rows["maml"]["optimum"]) == (1.5, None)  # of two episodes


def test_the_oracle_is_never_the_best_at_equal_experience(tmp_path: Path) -> None:
    made_up(tmp_path, "steps", "one", "oracle", constant(3.0))
    made_up(tmp_path, "steps", "one", "rl2", constant(1.0))
    assert summarise(tmp_path, small_spec(), KNOWN)["results"]["steps"]["one"]["experience"]["best"] == ["rl2", "rl2"]


def test_the_error_of_a_cell_is_kept_until_it_is_finished(tmp_path: Path) -> None:
    file = tmp_path / FAILED
    note_failure(file, "ValueError: no")
    note_failure(file, NOT_RUN)
    assert json.loads(file.read_text()) == {"error": "ValueError: no"}
    note_failure(file, None)
    assert not file.exists()


def test_without_an_exact_upper_end_the_better_oracle_is_taken() -> None:
    def family(**means: float) -> dict[str, dict[str, object]]:
        return {"rows": {name: {"score": {"value": value}} for name, value in means.items()}}

    steps, clock = family(random=1.0, oracle=3.0), family(random=1.0, oracle=5.0)
    expected = {"random": 1.0, "upper": 5.0, "label": "learned by oracle", "learned": True}
    assert scale_of([steps, clock], None) == expected
    assert scale_of([steps, {"rows": {"oracle": {"failed": "no"}}}], None)["upper"] == 3.0
    assert scale_of([steps], {"value": 9.0, "label": "exact"})["upper"] == 9.0
    assert "oracle has not been run" in scale_of([family(random=1.0)], None)["missing"]
    assert "is not above" in scale_of([family(random=1.0, oracle=0.5)], None)["missing"]


def test_ranks_are_means_over_the_task_families_that_all_have_been_run_in() -> None:
    spec = small_spec()
    runs = {name: runs_in(spec, name) for name in spec.algorithms}
    results = {
        "one": {"rows": {"rl2": {"seed_means": [3.0, 5.0]}, "maml": {"seed_means": [3.0, 3.0]}, "random": {"seed_means": [0.0]}}},
        "two": {"rows": {"rl2": {"failed": "no"}, "maml": {"seed_means": [2.0, 2.0]}, "random": {"seed_means": [2.0]}}},
        "three": {"rows": {"rl2": {"seed_means": [1.0]}}},
    }
    ranks = mean_ranks(results, runs, list(spec.tasks))
    assert ranks is not None
    assert ranks.algorithms == ("rl2", "maml", "random")  # dqn does not run everywhere, oracle is told the task
    assert ranks.families == ("one", "two")
    np.testing.assert_allclose(ranks.mean, [2.0, 1.75, 2.25])  # (1 + 3) / 2, (2 + 1.5) / 2, (3 + 1.5) / 2
    # If both seeds drawn are 3.0, which happens in a quarter of the resamples, rl2 and maml share rank 1.5.
    np.testing.assert_allclose(ranks.high, [2.25, 1.75, 2.25])
    np.testing.assert_allclose(ranks.low, [2.0, 1.5, 2.25])
    assert mean_ranks({"three": results["three"]}, runs, list(spec.tasks)) is None


def test_curves_keep_their_ends() -> None:
    curve = thinned({"env_steps": list(range(101)), "value": [2 * n for n in range(101)]})
    assert len(curve["env_steps"]) == 40
    assert (curve["env_steps"][0], curve["env_steps"][-1], curve["value"][-1]) == (0, 100, 200)


def test_the_known_score_is_that_of_the_tasks_that_are_scored_on() -> None:
    tasks = jmeta.tasks.BernoulliBandit(num_arms=3, num_pulls=2).held_out
    inner = jmeta.references.Random(observation_size=tasks.observation_size, action_space=tasks.action_space)
    key = jax.random.fold_in(jax.random.key(5), EVALUATION_FOLD)
    result = jmeta.evaluate(inner, tasks, (), key, protocol=Protocol(1, 2, 1), num_tasks=4, progress=False)
    np.testing.assert_array_equal(result.tasks.probabilities, drawn_tasks(tasks, 4, 5).probabilities)
    known = known_score(tasks, 4, 5)
    assert known is not None
    assert known["value"] == pytest.approx(np.max(result.tasks.probabilities, axis=1).mean())


def test_the_known_score_is_an_episodes_or_none() -> None:
    known = known_score(jmeta.tasks.PointNavigation().held_out, 2, 0)
    assert known is not None
    assert known["value"] == pytest.approx(-0.50607, rel=1e-4)
    assert known_score(jmeta.tasks.CartPole(), 2, 0) is None


def test_the_summary_is_written_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.bench.summary.known_scores", lambda spec: {})
    made_up(tmp_path, "clock", "reacher", "rl2", constant(1.0))
    write_summary(tmp_path)
    summary = read_summary(tmp_path)
    assert list(summary["results"]["clock"]) == ["reacher"]
    assert summary == json.loads(json.dumps(summarise(tmp_path, read_tables(), {})))


def test_the_committed_summary_agrees_with_the_data() -> None:
    """Means of all cells, and all numbers of some in one task family."""
    cells = {budget: sorted((DATA / budget).glob("cells/*/*/result.json")) for budget in BUDGETS}
    if not any(cells.values()):
        pytest.skip("no cell of the bench has been run")
    summary, spec = read_summary(), read_tables()
    for budget, files in cells.items():
        results = summary["results"][budget]
        rows = {(task, name): row for task, each in results.items() for name, row in each["rows"].items()}
        finished = {(file.parent.parent.name, file.parent.name) for file in files}
        noted = {(f.parent.parent.name, f.parent.name) for f in (DATA / budget).glob(f"cells/*/*/{FAILED}")}
        assert rows.keys() == finished | noted, "run python -m benchmarks.bench --only-summary"
        for task, name in finished:
            if "failed" not in rows[task, name]:
                with np.load(DATA / budget / "cells" / task / name / "returns.npz") as arrays:
                    last = arrays["episode_returns"][0, ..., -1].astype(float).mean()
                assert rows[task, name]["last"]["value"] == pytest.approx(last, rel=1e-4, abs=1e-6), (budget, task, name)
    task = next(iter(files[0].parent.parent.name for files in cells.values() if files))
    algorithms = {name: spec.algorithms[name] for name in ("random", "oracle", "rl2", "maml")}
    few = spec.model_copy(update={"tasks": {task: spec.tasks[task]}, "algorithms": algorithms})
    again = summarise(DATA, few, summary["known"])
    check_alike(again["scales"][task], summary["scales"][task])
    for budget in BUDGETS:
        for name, row in again["results"][budget].get(task, {"rows": {}})["rows"].items():
            check_alike(row, summary["results"][budget][task]["rows"][name])


def check_alike(ours: Any, theirs: Any) -> None:
    """Numbers may differ in their last digits, which depend on the machine."""
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for name in ours:
            check_alike(ours[name], theirs[name])
    elif isinstance(ours, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            check_alike(one, other)
    else:
        assert ours == (pytest.approx(theirs, rel=1e-3, abs=1e-5) if isinstance(theirs, float) else theirs)
