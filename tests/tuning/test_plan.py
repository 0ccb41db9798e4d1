"""What a tuning is made of, read from a specification."""

import copy
import dataclasses
from typing import Any

import pytest

from jmeta.tasks import DarkRoom, GridNavi
from jmeta.tuning.plan import Rung, Search
from jmeta.tuning.read import parse_tuning
from tests.tuning.specs import SPEC, changed


def test_each_round_has_fewer_settings_and_trains_them_for_longer() -> None:
    tuning = dataclasses.replace(parse_tuning(SPEC), num_settings=16, env_steps=64_000, num_rungs=3, reduction=4)
    assert tuning.rungs == [Rung(16, 4_000), Rung(4, 16_000), Rung(1, 64_000)]
    assert dataclasses.replace(tuning, num_settings=3, num_rungs=2).rungs == [Rung(3, 16_000), Rung(1, 64_000)]


def test_trial_0_has_the_settings_of_the_table() -> None:
    (search,) = parse_tuning(SPEC).searches
    assert search.name == "rl2 on bandit"
    assert search.trials[0].settings == {}
    assert len(search.trials) == len(search.cells) == 5
    rates = [cell.learner.learning_rate for cell in search.cells]
    assert rates[1:] == [trial.settings["learning_rate"] for trial in search.trials[1:]]
    assert rates[0] not in rates[1:]


def test_settings_that_the_algorithm_refuses_are_kept_with_the_reason() -> None:
    (search,) = parse_tuning(changed(space={"rl2": {"num_minibatches": [1, 3, 8]}}, num_settings=4)).searches
    trials = {trial.settings.get("num_minibatches"): trial for trial in search.trials}
    assert (trials[8].cell is None, trials[8].refusal) == (False, None)
    assert trials[3].cell is None
    assert "num_tasks=8 can't be split evenly over 1 device(s) x 3 minibatch(es)" in trials[3].refusal


def spec_of(task: str, **settings: Any) -> dict[str, Any]:
    spec = copy.deepcopy(SPEC)
    spec["tasks"] = {"room": {"task": task, **settings}}
    return spec


def test_settings_are_scored_on_validation_tasks() -> None:
    def splits(spec: dict[str, Any]) -> set[str]:
        return {cell.test_tasks()[0].split for search in parse_tuning(spec).searches for cell in search.cells}

    assert splits(SPEC) == {"validation"}
    spec = copy.deepcopy(SPEC)
    spec["tasks"]["bandit"]["split"] = "held-out"  # for jmeta compare
    assert splits(spec) == {"validation"}
    assert splits(spec_of("dark-room", with_validation=True, size=3, horizon=2)) == {"validation"}
    assert splits(spec_of("grid-navi", size=3, horizon=2)) == {"train"}  # it holds none out, as published
    for family, task in ((DarkRoom, "dark-room"), (GridNavi, "grid-navi")):
        held_out = {"held_out_goals": 2} if family is GridNavi else {}
        with pytest.raises(ValueError, match=f"{family.__name__} .*for validation"):
            parse_tuning(spec_of(task, size=3, horizon=2, **held_out))


@pytest.mark.parametrize("split", ["held-out", "train"])
def test_a_search_on_other_tasks_can_not_be_made(split: Any) -> None:
    (search,) = parse_tuning(SPEC).searches
    trials = [dataclasses.replace(trial, cell=dataclasses.replace(trial.cell, split=split)) for trial in search.trials]
    with pytest.raises(ValueError, match=f"is scored on {split} tasks: settings are chosen on validation tasks alone"):
        Search("bandit", "rl2", tuple(trials))


@pytest.mark.parametrize(
    ("tuning", "message"),
    [
        ({"space": {}}, r"\[tuning\]: there is no search space"),
        ({"space": {"rl3": {"learning_rate": [1e-3]}}}, r"\[tuning.space.rl3\]: no table of algorithms is called 'rl3'.*'rl2'"),
        ({"space": {"random": {"x": [1]}}}, r"\[tuning.space.random\]: random is written by hand"),
        ({"space": {"rl2": {"learning_rat": [1e-3]}}}, r"\[tuning.space.rl2\]: no setting is called 'learning_rat'"),
        ({"num_settings": 1}, r"\[tuning\]: num_settings=1: give at least 2"),
        ({"reduction": 1}, "reduction=1: give at least 2"),
        ({"env_steps": 0}, "env_steps=0: give at least 1"),
        ({"score": "best"}, "score='best': choose from lifetime, episode, second-segment"),
        ({"env_steps": "many"}, "env_steps='many' is not a whole number"),
        ({"num_setings": 3}, "num_setings"),
    ],
)
def test_mistakes_name_the_table(tuning: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_tuning(changed(**tuning))


def test_a_comparison_without_the_table_is_told_what_to_write() -> None:
    spec = {key: value for key, value in SPEC.items() if key != "tuning"}
    with pytest.raises(ValueError, match=r"there is no table \[tuning\].*learning_rate = {low"):
        parse_tuning(spec)


def test_a_setting_with_several_values_belongs_into_the_space() -> None:
    spec = copy.deepcopy(SPEC)
    spec["algorithms"]["rl2"]["learning_rate"] = [1e-3, 1e-2]
    with pytest.raises(ValueError, match=r"\[algorithms.rl2\]: learning_rate=.* has several values.*\[tuning.space.rl2\]"):
        parse_tuning(spec)
