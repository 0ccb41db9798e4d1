"""Recipes: the index agrees with what was measured, covers all of it, and each recipe is what a comparison trains."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from benchmarks import recipes as index_writer
from jmeta import recipes
from jmeta.comparison import SPECS, parse_cell
from jmeta.training import Recipe
from jmeta.training.provenance import describe

TABLES: dict[str, dict[str, Any]] = tomllib.loads(recipes.INDEX.read_text("utf-8"))
RESULTS = index_writer.REPOSITORY / "benchmarks" / "results"
REPORTS = index_writer.REPOSITORY / index_writer.REPORTS
NOT_BY_ITSELF = {("average", "point-navigation")}  # scored after an adaptation that its own run does not have
SPEC = {
    "name": "small",
    "seeds": 2,
    "env_steps": 100,
    "tasks": {"bandit": {"task": "bernoulli-bandit", "num_arms": 3}, "grid": {"task": "grid-navi"}},
    "algorithms": {
        "ours": {"algorithm": "rl2", "num_tasks": 8, "num_minibatches": 2, "tasks": ["bandit", "grid"]},
        "several": {"algorithm": "rl2", "learning_rate": [0.1, 0.2]},
        "by-hand": {"algorithm": "ucb1"},
    },
}


# The index


def test_scores_are_those_that_are_stored() -> None:
    for name, table in TABLES.items():
        assert table["measured"] == index_writer.measured(table), f"{name}: run python -m benchmarks.recipes"


def test_the_index_is_as_its_writer_leaves_it() -> None:
    above = recipes.INDEX.read_text("utf-8").split('\n["')[0]
    tables = [index_writer.formatted(name, table) for name, table in TABLES.items()]
    assert recipes.INDEX.read_text("utf-8") == "\n".join([above, *tables])


def test_every_measured_pair_of_algorithm_and_task_family_has_a_recipe() -> None:
    pairs = measured_in_tables() | measured_in_reports()
    assert len(pairs) >= 40
    covered = set()
    for table in TABLES.values():
        spec = tomllib.loads((SPECS / f"{table['spec']}.toml").read_text("utf-8"))
        covered.add((spec["algorithms"][table["algorithm"]]["algorithm"], spec["tasks"][table["task"]]["task"]))
    assert pairs - covered == NOT_BY_ITSELF


def measured_in_tables() -> set[tuple[str, str]]:
    rows = [row for file in RESULTS.glob("table-*.json") for row in json.loads(file.read_text("utf-8"))["rows"].values()]
    return {(row["recipe"]["algorithm"], row["recipe"]["task"]) for row in rows if row["num_steps"]}


def measured_in_reports() -> set[tuple[str, str]]:
    pairs = set()
    for file in REPORTS.glob("*/results.json"):
        spec = tomllib.loads((SPECS / f"{file.parent.name}.toml").read_text("utf-8"))
        report = json.loads(file.read_text("utf-8"))
        for task in report.get("tasks") or report["suite"]["tasks"]:
            trained = [row for row in task["rows"] if row["outer_steps"]]
            pairs |= {(row["kind"], spec["tasks"][task["task"]]["task"]) for row in trained}
    return pairs


def row(sources: list[dict[str, Any]], **entry: str) -> dict[str, Any]:
    """What the index says of stored rows, those of the first file first."""
    return index_writer._of_table([each["rows"].get(entry["row"]) for each in sources])


def stored(returns: dict[str, list[float]], **changes: Any) -> dict[str, Any]:
    """A stored table with one row, whose seeds have these returns of episodes."""
    seed = {"standard_error": 0.5, "env_steps": 60, "training_seconds": 90.0, "reference": None}
    seeds = {s: seed | {"mean": sum(r), "episode_returns": r, "trajectory_returns": r} | changes for s, r in returns.items()}
    return {"rows": {"ours": {"protocol": {}, "seeds": seeds}}}


def test_a_score_over_one_seed_has_the_standard_error_over_tasks() -> None:
    known = {"label": "goal known", "value": 2.5, "per": "episode"}
    found = row([stored({"0": [1.0, 2.0]}, reference=known)], row="ours")
    assert (found["score"], found["standard_error"], found["of"], found["minutes"]) == (3.0, 0.5, "lifetime", 1.5)
    assert (found["optimum"], found["optimum_label"]) == (5.0, "goal known")  # of two episodes


def test_the_first_source_of_a_seed_counts_and_errors_are_over_seeds() -> None:
    """The scores are 3 and 5: their mean is 4, and their standard error sqrt(2) / sqrt(2) = 1."""
    newer, older = stored({"0": [1.0, 2.0]}), stored({"0": [9.0, 9.0], "1": [1.0, 4.0]})
    found = row([newer, older], row="ours")
    assert (found["score"], found["standard_error"], found["seeds"]) == (4.0, 1.0, 2)


def test_an_agent_that_adapts_between_segments_is_scored_after_the_first_adaptation() -> None:
    table = stored({"0": [1.0, 2.0, 7.0]}, reference={"label": "goal known", "value": 2.5, "per": "episode"})
    table["rows"]["ours"]["protocol"] = {"num_segments": 3}
    found = row([table], row="ours")
    assert (found["score"], found["of"], found["optimum"]) == (2.0, "second-segment", 2.5)


@pytest.mark.parametrize(
    ("kind", "value", "label", "expected"),
    [
        ("rl2", 0.7, "Bayes optimum", 0.7),
        ("maml", None, "Bayes optimum", None),
        ("oracle", 0.7, "Bayes optimum", None),
        ("oracle", 0.7, "goal known", 0.7),
    ],
)
def test_an_optimum_is_that_of_the_same_information(kind: str, value: float | None, label: str, expected: float | None) -> None:
    """An oracle is told the task, so the optimum of learning is not its own; a row without one learns from several streams."""
    mean = {"value": 0.6, "low": 0.5, "high": 0.7}
    each = {"kind": kind, "optimum": value, "mean": mean, "num_seeds": 3, "env_steps": 8, "train_seconds": 540.0}
    found = index_writer._of_report({"optimum": {"label": label, "value": 0.7}}, each | {"compile_seconds": 60.0})
    assert found.get("optimum") == expected
    assert (found["score"], found["interval"], found["of"]) == (0.6, [0.5, 0.7], "episode")
    assert found["minutes"] == 4.0  # 540 s / 3 seeds + 60 s


# Recipes


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_builds_what_its_comparison_trains(name: str) -> None:
    """The settings reach the learner, and outer steps of the length that was measured take the steps that were measured."""
    named = recipes.get(name)
    recipe, learner = named.recipe, named.build()
    assert name == f"{recipe.algorithm}/{recipe.task}" or name.startswith(f"{recipe.algorithm}/{recipe.task}-")
    assert describe(learner) == describe(named.cell.learner)
    assert named.num_steps * learner.num_env_steps == named.measured.env_steps
    assert named.cell.adapter is None
    assert named.measured.of in recipes.SCORES
    assert (named.measured.interval is None) != (named.measured.standard_error is None)
    assert (named.measured.optimum is None) == (named.measured.optimum_label is None)


def test_a_recipe_has_the_settings_of_its_tables() -> None:
    tables = tomllib.loads((SPECS / "grid-navi.toml").read_text("utf-8"))
    settings = tables["algorithms"]["varibad"]
    named = recipes.get("varibad/grid-navi")
    assert named.recipe.task_fields == {"sight": "one-hot"}
    assert named.recipe.algorithm_fields == {
        key: settings[key] for key in settings.keys() - {"algorithm", "tasks", "outer_steps", "published"}
    }
    assert (named.num_steps, named.cell.split, named.comparison.num_test_tasks) == (1000, "train", 100_000)


def test_a_misspelt_name_is_told_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"no recipe is called 'varibad/gridnavi'; did you mean 'varibad/grid-navi'\? `jmeta"):
        recipes.get("varibad/gridnavi")
    with pytest.raises(ValueError, match="no recipe is called 'zzz'; `jmeta list recipes` lists all of them"):
        recipes.get("zzz")


# A cell of a specification


def test_a_cell_is_read_by_itself() -> None:
    comparison, recipe = parse_cell(SPEC, "bandit", "ours")
    assert recipe == Recipe("rl2", {"num_tasks": 8, "num_minibatches": 2}, "bernoulli-bandit", {"num_arms": 3})
    (cell,) = comparison.cells
    assert (cell.task, cell.algorithm, comparison.num_seeds) == ("bandit", "ours", 2)
    assert comparison.budget_of(cell).num_steps(cell.learner) == 2  # 8 tasks x 10 pulls are 80 steps of the 100


@pytest.mark.parametrize(
    ("task", "algorithm", "message"),
    [
        ("bandits", "ours", r"there is no \[tasks.bandits\]; did you mean 'bandit'"),
        ("bandit", "our", r"there is no \[algorithms.our\]; did you mean 'ours'"),
        ("bandit", "several", r"\[algorithms.several\]: learning_rate=\[0.1, 0.2\] has several values: a recipe has one"),
        ("bandit", "by-hand", r"\[algorithms.by-hand\]: ucb1 is written by hand and not trained"),
    ],
)
def test_a_cell_that_is_no_recipe_is_refused(task: str, algorithm: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_cell(SPEC, task, algorithm)


def test_the_benchmarks_readme_names_the_index() -> None:
    readme = (Path(index_writer.__file__).parent / "README.md").read_text("utf-8")
    assert "python -m benchmarks.recipes" in readme
