"""The specs that come with jmeta: published tables train what was measured, and the demo draws its picture."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from benchmarks import demo, published
from jmeta.comparison import SPECS, parse_spec, read_spec
from jmeta.registry import build
from jmeta.training import Recipe
from jmeta.training.provenance import describe

ROWS = {
    "bandits": {
        "n=10,k=5": "rl2-n10k5",
        "n=10,k=10": "rl2-n10k10",
        "n=100,k=5": "rl2-n100k5",
        "n=10,k=5,evolution": "rl2-es-n10k5",
        "n=100,k=10": "rl2-n100k10",
        "dependent,n=100": "rl2-dependent",
    },
    "dark": {"Dark Room": "rl2-room", "Dark Key-to-Door": "rl2-key-to-door"},
    "grid-navi": {"RL²": "rl2", "VariBAD": "varibad"},
    "gymnax-meta": {
        "GaussianBandit-misc": "rl2-gaussian-bandit",
        "PointRobot-misc": "rl2-point-robot",
        "MetaMaze-misc": "rl2-meta-maze",
    },
    "navigation": {
        "random": "random-init",
        "pretrained": "pretrained",
        "MAML, trust region": "maml-trpo",
        "MAML, Adam": "maml-adam",
        "FOMAML": "fomaml",
        "ANIL": "anil",
        "Meta-SGD": "meta-sgd",
        "CAVIA": "cavia",
        "iMAML": "imaml",
        "Meta-LSTM": "meta-lstm",
        "ProMP": "promp",
        "E-MAML": "e-maml",
        "Reptile": "reptile",
        "ES-MAML": "es-maml",
    },
    "tabular-mdp": {"n=10": "rl2", "n=10,snail": "snail"},
}
"""Algorithms of the specs, by table and row of ``benchmarks/results/table-*.json``."""


def test_every_measured_row_is_in_a_spec() -> None:
    for file in published.RESULTS.glob("table-*.json"):
        assert set(json.loads(file.read_text())["rows"]) == set(ROWS[file.stem.removeprefix("table-")])


@pytest.mark.slow
@pytest.mark.parametrize("table", ROWS)
def test_a_spec_trains_and_scores_what_was_measured(table: str) -> None:
    comparison = read_spec(SPECS / f"{table}.toml")
    cells = {cell.algorithm: cell for cell in comparison.cells if cell.kind != "random"}
    measured = json.loads((published.RESULTS / f"table-{table}.json").read_text())["rows"]
    for name, row in measured.items():
        cell, former = cells[ROWS[table][name]], build(Recipe(**row["recipe"]))
        assert describe(cell.learner) == describe(former), name
        assert (cell.outer_steps, cell.split, cell.published) == (row["num_steps"], row["split"], row["published"]), name
        assert cell.protocol == former.protocol._replace(**row["protocol"]), name
        adapter = describe(build(Recipe(**row["adapted_by"])).inner) if "adapted_by" in row else None
        assert (cell.adapter and describe(cell.adapter.inner)) == adapter, name
        assert {seed["num_tasks"] for seed in row["seeds"].values()} == {comparison.num_test_tasks}, name


def test_the_tables_in_the_documentation_are_those_that_were_measured(capsys: pytest.CaptureFixture[str]) -> None:
    published.main()
    documented = (Path(published.__file__).parent / "README.md").read_text("utf-8")
    assert capsys.readouterr().out.strip() in documented


@pytest.mark.slow
def test_the_demo_prints_its_table_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a small network, few steps and few tasks; a second call reads what the first has stored."""
    spec = tomllib.loads((SPECS / "demo.toml").read_text("utf-8"))
    assert (spec["num_test_tasks"], spec["algorithms"]["rl2"]["outer_steps"]) == (100_000, 600)
    spec["num_test_tasks"] = 50
    spec["algorithms"]["rl2"] |= {"outer_steps": 2, "hidden_size": 4, "num_tasks": 16, "num_minibatches": 2}
    comparison = parse_spec(spec)
    picture = demo.run(comparison, tmp_path)
    assert picture == tmp_path / "demo.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    for words in (*demo.LABELS.values(), "Bayes optimum (exact)", "6.6600", "50 held-out bandits", "demo.png"):
        assert words in said
    stored = np.load(tmp_path / "cells/bandit/rl2/returns.npz")["lifetime_returns"]
    assert f"{stored.mean():.4f}" in said
    assert "holds a finished training" not in said
    demo.run(comparison, tmp_path)
    said = capsys.readouterr().out
    assert f"{stored.mean():.4f}" in said
    assert "holds a finished training" in said
