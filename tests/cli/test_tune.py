"""``jmeta tune`` from the command line."""

from collections.abc import Callable
from pathlib import Path

import tomli_w

from tests.cli.conftest import Said
from tests.tuning.specs import SPEC, changed


def test_a_tuning_prints_its_summary_and_names_the_next_command(jmeta: Callable[..., Said], tmp_path: Path) -> None:
    file, out = tmp_path / "spec.toml", tmp_path / "out"
    file.write_text(tomli_w.dumps(changed(num_settings=2, env_steps=48, num_rungs=1)))
    said = jmeta("tune", file, "--out", out)
    assert said.status == 0
    assert said.out == (out / "tuning.txt").read_text()
    assert "rl2 on bandit" in said.out
    assert f"jmeta compare {out / 'winners.toml'} --out DIR" in said.err
    assert jmeta("tune", file, "--out", out, "--no-progress").out == said.out


def test_a_specification_without_a_search_space(jmeta: Callable[..., Said], tmp_path: Path) -> None:
    file = tmp_path / "spec.toml"
    file.write_text(tomli_w.dumps({key: value for key, value in SPEC.items() if key != "tuning"}))
    said = jmeta("tune", file, "--out", tmp_path / "out")
    assert said.status == 2
    assert f"error: {file}: there is no table [tuning]" in said.words
    assert not (tmp_path / "out").exists()
