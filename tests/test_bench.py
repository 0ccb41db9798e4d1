"""The bench: it has every algorithm, and keeps its results small without changing what reports show."""

import dataclasses
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import defaults
from benchmarks.bench import run
from jmeta import recipes
from jmeta.algorithms import ALGORITHMS
from jmeta.comparison import SPECS
from jmeta.comparison.learning import LearningCurves, learning_curve
from jmeta.comparison.spec.schema import check_structure
from jmeta.recipes import NamedRecipe
from jmeta.types import Protocol

SPEC = SPECS / "bench.toml"


def test_every_algorithm_is_in_the_bench() -> None:
    tables = check_structure(tomllib.loads(SPEC.read_text("utf-8"))).algorithms
    assert {table.algorithm for table in tables.values()} == {*ALGORITHMS, "random"}
    assert all(name == table.algorithm for name, table in tables.items())  # rows of all task families have one name


@pytest.mark.slow
def test_an_algorithm_is_left_out_only_where_it_cannot_act() -> None:
    """DQN needs a few actions, TD3 and MQL an interval; all others run everywhere, and gradient agents live 20 episodes."""
    comparison = run.bench("steps")
    runs_in: dict[str, set[str]] = {}
    for cell in comparison.cells:
        runs_in.setdefault(cell.kind, set()).add(cell.task)
        if cell.kind == "maml":
            horizon = cell.learner.tasks.horizon
            assert cell.protocol == Protocol(2, 20 if cell.task == "bandit" else horizon, 20), cell.task
    every = runs_in["rl2"]
    continuous = {"point", "semicircle", "reacher"}
    assert len(every) == 8
    assert {kind: tasks for kind, tasks in runs_in.items() if tasks != every} == {
        **dict.fromkeys(("dqn", "maml-dqn"), every - continuous),
        **dict.fromkeys(("td3", "mql"), continuous),
    }


def test_other_names_are_refused() -> None:
    with pytest.raises(ValueError, match="budget='minutes': choose from steps, clock"):
        run.bench("minutes")


def test_thinned_learning_curves_draw_the_same(tmp_path: Path) -> None:
    values = np.cumsum(np.random.default_rng(0).normal(size=(1, 2, 1234)), axis=-1).astype(np.float32)
    whole = LearningCurves(values - 1, values, 32 * np.arange(1, 1235))
    np.savez_compressed(tmp_path / "learning.npz", **dataclasses.asdict(whole))
    for _ in range(2):  # a second call changes nothing
        run.thin(tmp_path / "learning.npz")
    with np.load(tmp_path / "learning.npz") as arrays:
        thinned = LearningCurves(**arrays)
    assert thinned.return_after.shape == (1, 2, 100)
    before, after = learning_curve(whole, 0), learning_curve(thinned, 0)
    assert before is not None
    assert after is not None
    assert after["env_steps"] == before["env_steps"]
    np.testing.assert_allclose(after["value"], before["value"], rtol=1e-6, atol=1e-5)


def test_a_pair_that_falls_short_of_its_recipe_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores are given, and nothing is trained: the recipe earns 6.66, random actions 5, and 90 % of the difference is 6.49."""
    asked = []

    def given(run: Path, words: list[str], named: NamedRecipe) -> SimpleNamespace:
        asked.append((run.name, words))
        return SimpleNamespace(theta=())

    monkeypatch.setattr(defaults, "RESULTS", tmp_path / "defaults.json")
    monkeypatch.setattr(defaults, "trained", given)
    name = "rl2/bernoulli-bandit"
    for mean, enough in ((6.6, True), (6.4, False)):
        each = mean + np.tile([-0.1, 0.1], 1000)
        monkeypatch.setattr(defaults, "scored", lambda *args, each=each: (None, each, 5.0))
        row = defaults.measure(tmp_path, name)
        assert row["share"] == pytest.approx((mean - 5) / (recipes.get(name).measured.score - 5), abs=1e-4)
        assert row["enough"] is enough
    monkeypatch.setattr(sys, "argv", ["defaults", str(tmp_path), name])
    with pytest.raises(SystemExit, match=f"below 0.9 of the recipe: {name}"):
        defaults.main()
    assert asked[0] == ("rl2-bernoulli-bandit", ["train", "rl2", "--task", "bernoulli-bandit", "--seed", "100"])
    assert {"rl2/tabular-mdp", "maml/point-navigation"} <= set(defaults.pairs())
    assert "rl2/bernoulli-bandit-100x5" not in defaults.pairs()
