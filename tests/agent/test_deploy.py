"""The programs of ``docs/deploy.md``, with a run that was trained for them."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jmeta
from jmeta.cli.main import main
from tests.cli.conftest import RL2

DOCS = Path(__file__).parents[2] / "docs" / "deploy.md"


@pytest.mark.slow
def test_the_documented_program_plays_a_slot_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run of a few steps, its export to a file, and the first program, which is at most 15 lines without the machine."""
    monkeypatch.chdir(tmp_path)
    settings = [word if word != "3" or name != "--task.num-arms" else "5" for name, word in zip(["", *RL2], RL2, strict=False)]
    with pytest.raises(SystemExit, match="0"):
        main(["train", *settings, "--num-steps", "2", "--out", "runs/bandit"])
    with pytest.raises(SystemExit, match="0"):
        main(["evaluate", "runs/bandit", "--num-tasks", "20"])
    with pytest.raises(SystemExit, match="0"):
        main(["export", "runs/bandit", "--out", "bandit.jmeta", "--platforms", "cpu"])
    assert "bandit.jmeta: " in capsys.readouterr().out
    program = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)[0]
    assert len(program.partition("agent = ")[2].strip().splitlines()) < 15
    names: dict[str, Any] = {"jmeta": jmeta, "np": np}
    exec(program, names)
    assert 0 <= names["total"] <= 10
    described = names["agent"].describe()
    assert described["algorithm"] == "rl2"
    assert described["outer_steps"] == 2
    assert described["score"]["num_tasks"] == 20
    assert jmeta.load("runs/bandit").agent(num_segments=2).describe()["adaptation"]["num_segments"] == 2
    loaded = jmeta.load_agent("bandit.jmeta")
    assert loaded.describe() == described
