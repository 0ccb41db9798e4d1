"""Scores at equal experience, by hand and from the raw returns of a comparison."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

import jmeta
from jmeta.comparison import Budget, Cell, Comparison, compare, markdown, summarise
from jmeta.comparison.experience import budgets_up_to, by_budget


def row(label: str, begins: list[float], returns: list[float], streams: int = 1, algorithm: str = "") -> dict[str, Any]:
    """A row of episodes of 10 steps."""
    curve = {"env_steps": begins, "value": returns, "low": [x - 1 for x in returns], "high": [x + 1 for x in returns]}
    protocol = {"num_segments": 1, "segment_length": 10 * len(returns), "num_streams": streams}
    return {"label": label, "algorithm": algorithm or label, "curve": curve, "protocol": protocol}


QUICK = row("quick", [0, 10, 20, 30], [1.0, 4.0, 5.0, 6.0])  # one stream, 40 steps
MANY = row("many", [0, 200, 400], [2.0, 3.0, 9.0], streams=20)  # twenty streams, 600 steps
TOLD = row("told", [0, 10], [20.0, 20.0], algorithm="oracle")


def test_an_agent_is_what_it_was_when_it_began_its_last_episode() -> None:
    found = by_budget([QUICK, MANY], set(), [0, 9, 10, 39, 40, 199, 200, 599, 600])
    quick, many = found["rows"]
    assert quick["next"]["value"] == [1.0, 1.0, 4.0, 6.0, None, None, None, None, None]
    assert many["next"]["value"] == [2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 3.0, 9.0, None]
    assert quick["next"]["low"][:3] == [0.0, 0.0, 3.0]
    assert many["next"]["high"][7] == 10.0


def test_what_was_earned_is_the_mean_of_the_episodes_before() -> None:
    quick, many = by_budget([QUICK, MANY], set(), [0, 10, 39, 400])["rows"]
    assert quick["earned"] == [None, 1.0, pytest.approx(10 / 3), None]
    assert many["earned"] == [None, None, None, 2.5]


def test_the_best_depends_on_the_budget_and_is_never_an_oracle() -> None:
    found = by_budget([QUICK, MANY, TOLD], {"oracle"}, [0, 10, 400, 600])
    assert found["best"] == ["many", "quick", "many", None]
    assert by_budget([QUICK, MANY, TOLD], set(), [0])["best"] == ["told"]


def test_budgets_are_powers_of_ten_within_the_longest_lifetime() -> None:
    assert budgets_up_to(1) == [0]
    assert budgets_up_to(10) == [0]
    assert budgets_up_to(1000) == [0, 10, 100]
    assert by_budget([QUICK, MANY], set(), None)["budgets"] == [0, 10, 100]
    assert by_budget([], set(), None) == {"budgets": [0], "rows": [], "best": [None]}


TASKS = jmeta.tasks.BernoulliBandit(num_arms=2, num_pulls=6)
RL2 = jmeta.algorithms.rl2(TASKS, hidden_size=4, num_tasks=8, num_minibatches=1)
MAML = jmeta.algorithms.maml(TASKS, widths=(4,), num_streams=5, num_tasks=8, segment_length=2)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    out = tmp_path_factory.mktemp("experience")
    cells = (Cell("bandit", "rl2", "rl2", {"": RL2}), Cell("bandit", "maml", "maml", {"": MAML}))
    comparison = Comparison("small", cells, 3, Budget(outer_steps=1), num_test_tasks=40, experience=(0, 3, 10))
    return out, summarise(compare(comparison, out))


def test_the_table_is_made_from_the_raw_returns(compared: tuple[Path, Any]) -> None:
    """Each pull is an episode. After 3 pulls RL² begins its fourth; MAML has adapted after 5."""
    out, summary = compared
    found = summary["tasks"][0]["by_budget"]
    rl2, maml = (np.load(out / "cells" / "bandit" / name / "returns.npz")["episode_returns"][0] for name in ("rl2", "maml"))
    by_label = {each["label"]: each for each in found["rows"]}
    np.testing.assert_allclose(by_label["rl2"]["next"]["value"][:2], rl2.mean((0, 1), dtype=np.float64)[[0, 3]], rtol=1e-6)
    assert by_label["rl2"]["next"]["value"][2] is None
    begins = np.load(out / "cells" / "bandit" / "maml" / "returns.npz")["episode_env_steps"][0].mean(0)
    at = [int((begins <= budget).sum()) - 1 for budget in (0, 3)]
    np.testing.assert_allclose(by_label["maml"]["next"]["value"][:2], maml.mean((0, 1), dtype=np.float64)[at], rtol=1e-6)
    text = markdown(summary)
    assert "At equal experience, the return of the next episode:" in text
    assert "| after steps | 0 | 3 | 10 | earned until then |" in text
    assert text.count("| **") == 3 - found["best"].count(None)


def test_the_statistics_are_those_of_a_few_lines_of_scipy(compared: tuple[Path, Any]) -> None:
    """Read from the raw file alone: the interquartile mean, its bootstrap interval over seeds and tasks, CVaR and regressions."""
    out, summary = compared
    ours = next(row for row in summary["tasks"][0]["rows"] if row["label"] == "rl2")
    raw = np.load(out / "cells" / "bandit" / "rl2" / "returns.npz")
    scores = raw["lifetime_returns"][0].astype(np.float64) / 6  # [S, N], the return of an episode of one pull
    assert ours["iqm"]["value"] == pytest.approx(scipy.stats.trim_mean(scores, 0.25, axis=None))
    assert ours["cvar"]["20"] == pytest.approx(np.sort(scores.mean(0))[:8].mean())
    assert ours["cvar"]["5"] == pytest.approx(np.sort(scores.mean(0))[:2].mean())
    episodes = raw["episode_returns"][0].astype(np.float64).mean(0)  # [N, 6]
    change = episodes[:, -2:].mean(-1) - episodes[:, 0]
    assert ours["regressions"] == pytest.approx((change < -1e-12).mean() + (np.abs(change) <= 1e-12).mean() / 2)
    rng = np.random.default_rng(0)
    drawn = [
        scipy.stats.trim_mean(scores[rng.integers(0, 3, 3)][:, rng.integers(0, 40, 40)], 0.25, axis=None) for _ in range(4000)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    width = high - low
    assert abs(ours["iqm"]["low"] - low) < 0.1 * width
    assert abs(ours["iqm"]["high"] - high) < 0.1 * width


def test_budgets_are_declared_in_growing_order() -> None:
    cells = (Cell("bandit", "rl2", "rl2", {"": RL2}),)
    for wrong, message in (
        ((10, 0), "in growing order"),
        ((0, 0), "in growing order"),
        ((), "in growing order"),
        ((-1,), "at least 0"),
    ):
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(Comparison("small", cells, 1, Budget(outer_steps=1)), experience=wrong)
