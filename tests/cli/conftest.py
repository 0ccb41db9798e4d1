"""Two tiny runs, trained once, and the command line as a function."""

import dataclasses
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from jmeta.cli.main import main

RL2 = shlex.split(
    "rl2 --task bernoulli-bandit --task.num-pulls 3 --task.num-arms 3 --hidden-size 4 "
    "--num-tasks 16 --num-epochs 1 --num-minibatches 2 --learning-rate 0.001"
)
MAML = shlex.split("maml --task point-navigation --task.horizon 5 --widths 4 --num-streams 2 --num-tasks 4")


@dataclasses.dataclass
class Said:
    status: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """Everything that was said, without boxes and line breaks."""
        return " ".join((self.out + self.err).translate(dict.fromkeys(map(ord, "│╭╮╰╯─"), " ")).split())


@pytest.fixture
def jmeta(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """Runs ``jmeta *args`` in this process."""
    monkeypatch.setenv("COLUMNS", "120")

    def run(*args: object) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main([str(arg) for arg in args])
        said = capsys.readouterr()
        return Said(caught.value.code or 0, said.out, said.err)

    return run


def train(*args: object) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train", *map(str, args), "--no-progress"])
    assert not caught.value.code


@pytest.fixture(scope="session")
def rl2_trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("rl2") / "run"
    train(*RL2, "--num-steps", 6, "--checkpoint-every", 2, "--keep", 2, "--seed", 3, "--out", out)
    return out


@pytest.fixture(scope="session")
def maml_trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("maml") / "run"
    train(*MAML, "--num-steps", 3, "--out", out)
    return out


@pytest.fixture
def rl2_run(rl2_trained: Path, tmp_path: Path) -> Path:
    """A copy to do with as a test likes."""
    return shutil.copytree(rl2_trained, tmp_path / "rl2")


@pytest.fixture
def maml_run(maml_trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(maml_trained, tmp_path / "maml")
