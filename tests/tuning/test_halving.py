"""Successive halving: what is trained, on what it is scored, and who goes on."""

import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jmeta.comparison.run
import jmeta.comparison.scoring
from jmeta.comparison import parse_spec
from jmeta.recipes import scores
from jmeta.tasks.splits import Splits
from jmeta.tuning import Found, Tried, summary, tune, write_tuning
from jmeta.tuning.grouping import grouped
from jmeta.tuning.read import parse_tuning
from tests.tuning.specs import SPEC, changed

TUNING = parse_tuning(SPEC)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    out = tmp_path_factory.mktemp("tuning")
    (found,), interrupted_by = tune(TUNING, out)
    assert interrupted_by is None
    write_tuning(TUNING, [found], out)
    return out, found


def test_settings_that_differ_in_numbers_share_a_program() -> None:
    (search,) = TUNING.searches
    cells, groups = grouped(search, range(5))
    sizes = [trial.settings.get("hidden_size", 4) for trial in search.trials]
    assert sorted(map(sorted, groups)) == sorted([trial for trial in range(5) if sizes[trial] == size] for size in (4, 6))
    assert [list(cell.variants) for cell in cells] == [[f"trial {trial}" for trial in group] for group in groups]


def test_equal_learners_run_in_turn() -> None:
    """Two settings that make no number of the learner differ are no variants of each other."""
    (search,) = TUNING.searches
    twice = dataclasses.replace(search, trials=(search.trials[0], search.trials[0]))
    assert grouped(twice, range(2))[1] == [[0], [1]]


def test_the_best_half_goes_on_and_so_do_the_table_s_own_settings(tuned: tuple[Path, Any]) -> None:
    _, found = tuned
    first, second = found.tried
    assert [len(first), found.rungs[0].env_steps, found.rungs[1].env_steps] == [5, 48, 96]
    assert [each.score for each in first] == sorted((each.score for each in first), reverse=True)
    assert {each.trial for each in second} == {0, *(each.trial for each in first[:3])}
    assert found.best == second[0]


def test_a_score_is_that_of_the_validation_tasks_of_its_cell(tuned: tuple[Path, Any]) -> None:
    out, found = tuned
    for number, tried in enumerate(found.tried, start=1):
        known = {each.trial: each for each in tried}
        for cell in (out / f"round-{number}" / "cells" / "bandit").iterdir():
            info, arrays = json.loads((cell / "result.json").read_text()), np.load(cell / "returns.npz")
            assert (info["split"], info["num_test_tasks"], info["seeds"]) == ("validation", 16, [1000, 1001])
            for variant, returns in zip(info["variants"], arrays["lifetime_returns"], strict=True):
                trial = known[int(variant["label"].removeprefix("trial "))]
                np.testing.assert_allclose(trial.by_seed, returns.astype(np.float64).mean(-1))
                assert trial.score == pytest.approx(np.mean(trial.by_seed))


def test_a_second_call_computes_nothing_and_says_the_same(tuned: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    out, found = tuned
    monkeypatch.setattr(jmeta.comparison.run, "train_cell", None)
    (again,), _ = tune(TUNING, out)
    assert again.tried == found.tried


def test_other_settings_in_the_same_directory_are_refused(tuned: tuple[Path, Any]) -> None:
    out, _ = tuned
    with pytest.raises(ValueError, match="made with other settings"):
        tune(parse_tuning(changed(num_tasks=17)), out)


def test_a_training_that_fails_is_never_the_best() -> None:
    assert Tried(1, (3.0, 5.0), ()).score == 4.0
    assert Tried(2, (9.0, float("nan")), ("loss is not finite at outer step 3",)).score == -np.inf
    assert Tried(3, (), ("not run",)).score == -np.inf


def test_a_diverging_setting_is_left_behind(tmp_path: Path) -> None:
    spec = changed(space={"rl2": {"learning_rate": [1e38, 1e-3]}}, num_settings=3)
    (found,), _ = tune(parse_tuning(spec), tmp_path)
    failed = [each.trial for each in found.tried[0] if each.failures]
    assert [found.search.trials[trial].settings for trial in failed] == [{"learning_rate": 1e38}]
    assert not {each.trial for each in found.tried[1]} & set(failed)
    assert "1 failed" in write_tuning(parse_tuning(spec), [found], tmp_path)


def test_no_held_out_task_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the learners are built, no distribution on the held-out split can be made; all evaluations are on validation tasks."""
    tuning = parse_tuning(changed(num_settings=2, env_steps=48, num_rungs=1))
    for search in tuning.searches:
        for cell in search.cells:
            _ = cell.learner.tasks.validation.reference_return(3)  # which looks at the family as a whole, once
    drawn = []
    made, evaluate = Splits.__post_init__, jmeta.comparison.scoring.evaluate

    def guarded(self: Splits) -> None:
        assert self.split not in ("held-out", "ood"), "tuning reached for test tasks"
        made(self)

    def watched(inner: Any, tasks: Any, *args: Any, **kwargs: Any) -> Any:
        drawn.append(tasks.split)
        return evaluate(inner, tasks, *args, **kwargs)

    monkeypatch.setattr(Splits, "__post_init__", guarded)
    monkeypatch.setattr(jmeta.comparison.scoring, "evaluate", watched)
    (found,), _ = tune(tuning, tmp_path)
    write_tuning(tuning, [found], tmp_path)
    assert found.best is not None
    assert set(drawn) == {"validation"}


def test_the_winners_are_a_comparison_on_held_out_tasks(tuned: tuple[Path, Any]) -> None:
    out, found = tuned
    spec = tomllib.loads((out / "winners.toml").read_text())
    comparison = parse_spec(spec)
    assert comparison.budget is not None
    assert comparison.budget.env_steps == 96
    cells = {cell.algorithm: cell for cell in comparison.cells}
    assert set(cells) == {"rl2", "random"}
    assert {cell.test_tasks()[0].split for cell in cells.values()} == {"held-out"}
    settings = found.search.trials[found.best.trial].settings
    assert spec["algorithms"]["rl2"] == SPEC["algorithms"]["rl2"] | settings | {"tasks": ["bandit"]}


def test_every_trial_is_kept(tuned: tuple[Path, Any]) -> None:
    out, found = tuned
    kept = json.loads((out / "tuning.json").read_text())
    (search,) = kept["searches"]
    assert (search["split"], search["best"], len(search["settings"])) == ("validation", found.best.trial, 5)
    assert [[each["trial"] for each in each_round["trials"]] for each_round in search["rounds"]] == [
        [each.trial for each in tried] for tried in found.tried
    ]


def test_the_summary_has_the_best_and_the_median(tuned: tuple[Path, Any]) -> None:
    out, found = tuned
    text = (out / "tuning.txt").read_text()
    first = [each.score for each in found.tried[0]]
    assert f"best {max(first):.4g}, median {np.median(first):.4g}, worst {min(first):.4g}" in text
    assert f"best: trial {found.best.trial}, {found.best.score:.4g}" in text
    assert max(map(len, text.splitlines())) < 130


def test_a_search_that_was_stopped_is_not_finished() -> None:
    (search,) = TUNING.searches
    assert "rl2 on bandit\n  not finished\n" in summary(TUNING, [Found(search, (), ())])


def test_scores_need_a_second_segment_where_they_are_of_one(tuned: tuple[Path, Any]) -> None:
    class Once:
        trajectory_returns = np.zeros((4, 1))

    with pytest.raises(ValueError, match="there is no second segment"):
        scores(Once(), "second-segment")  # type: ignore[arg-type]


def test_only_names_what_is_tuned(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only: no search space is called 'rl3'; did you mean 'rl2'"):
        tune(TUNING, tmp_path, only=["rl3"])
