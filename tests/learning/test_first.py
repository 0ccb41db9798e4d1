"""The comparison that newcomers run first, `jmeta compare first`, at its full length: `make test-learning`."""

from pathlib import Path

import pytest

from jmeta.comparison import compare, find_spec, read_spec
from jmeta.comparison.summary import summarise

pytestmark = [pytest.mark.learning, pytest.mark.timeout(3600)]


def test_the_first_comparison_shows_learners_that_learned(tmp_path: Path) -> None:
    """RL² comes within 3 % of the bandit's Bayes optimum, and on the semicircle it adapts; the oracle walks to the goal.

    An earlier version of the file had RL² at 5.9 of 6.66 and no learner above 3 of 13.38 on the semicircle.
    """
    outcome = compare(read_spec(find_spec(Path("first"))), tmp_path, say=print)
    rows = {(task["task"], row["algorithm"], row["variant"]): row for task in summarise(outcome)["tasks"] for row in task["rows"]}
    print({name: (row["mean"], row["lifetime"], row["curve"]["value"]) for name, row in rows.items()})
    for rate in ("0.001", "0.003"):
        assert rows["bandit", "rl2", f"learning_rate={rate}"]["lifetime"]["value"] > 0.97 * 6.66
    curve = rows["semicircle", "rl2", "learning_rate=0.003"]["curve"]["value"]
    assert curve[-1] > 2.0 * curve[0] > 0.0
    assert curve[-1] > 9.0
    assert rows["semicircle", "oracle", ""]["mean"]["value"] > 11.5
