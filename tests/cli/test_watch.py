"""``jmeta watch``: which agent is drawn, in which task, and where the picture goes."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from jmeta.cli import watch as cli
from jmeta.evaluation.evaluate import EVALUATION_FOLD
from jmeta.runs import learner_of
from jmeta.training import restore


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was to be drawn, and nothing is."""
    asked: list[tuple[Any, ...]] = []

    def watch(inner: Any, tasks: Any, theta: Any, key: jax.Array, *, protocol: Any, out: Path) -> Path:
        asked.append((inner, tasks, theta, key, protocol, out))
        return out

    monkeypatch.setattr(cli, "watch", watch)
    return asked


def test_the_newest_agent_is_drawn_in_a_held_out_task_beside_its_run(jmeta, rl2_run, drawn):
    said = jmeta("watch", rl2_run, "--seed", 4)
    assert (said.status, said.out.strip()) == (0, str(rl2_run / "watch.gif"))
    outer, _ = learner_of(rl2_run)
    step, state = restore(outer, rl2_run)
    ((inner, tasks, theta, key, protocol, out),) = drawn
    assert (step, type(inner), tasks, protocol) == (6, type(outer.inner), outer.tasks.held_out, outer.protocol)
    jax.tree.map(np.testing.assert_array_equal, theta, state.theta)
    expected = jax.random.fold_in(jax.random.key(4), EVALUATION_FOLD)  # no step of training draws from it
    np.testing.assert_array_equal(jax.random.key_data(key), jax.random.key_data(expected))
    assert out == rl2_run / "watch.gif"


def test_split_and_file_are_as_asked_for(jmeta, rl2_run, drawn, tmp_path):
    out = tmp_path / "life.gif"
    assert jmeta("watch", rl2_run, "--split", "train", "--out", out).out.strip() == str(out)
    assert (drawn[0][1].split, drawn[0][-1]) == ("train", out)
    said = jmeta("watch", rl2_run, "--split", "ood")
    assert (said.status, len(drawn)) == (2, 1)
    assert "BernoulliBandit has no out-of-distribution tasks" in said.words


@pytest.mark.slow
def test_a_run_is_drawn(jmeta, rl2_run):
    """A lifetime of three pulls has three frames."""
    assert jmeta("watch", rl2_run).status == 0
    with Image.open(rl2_run / "watch.gif") as image:
        assert image.n_frames == 3
