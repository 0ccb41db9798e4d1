"""A run that is killed, terminated or interrupted goes on as if it had never stopped."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jmeta.cli.main import main
from jmeta.outer.base import OuterLearner
from jmeta.registry import build, recipe_of
from jmeta.training import RunDirectory
from tests.training.walk import assert_same_run, steps

pytestmark = pytest.mark.slow

RUNS = {
    "rl2": "rl2 --task bernoulli-bandit --task.num-pulls 3 --hidden-size 4 --num-tasks 16 --num-epochs 1 --num-minibatches 2",
    "maml": "maml --task point-navigation --task.horizon 5 --widths 4 --num-streams 2 --num-tasks 4",
}
OTHER_SIGNAL = {"rl2": signal.SIGTERM, "maml": signal.SIGINT}
ENDLESS = 10**6  # outer steps: whoever stops the run, it is not done


@dataclasses.dataclass
class Stopped:
    """Three runs of one seed: one killed, one that got SIGTERM or SIGINT, and one that never stopped."""

    command: list[object]
    outer: OuterLearner
    killed: Path
    killed_status: int
    signalled: Path
    signalled_status: int
    said: str  # by the signalled one, on standard error
    never_stopped: Path
    num_steps: int  # of the one that never stopped


def jmeta(*args: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(arg) for arg in args])
    return caught.value.code


def stop_after_two_checkpoints(process: subprocess.Popen[bytes], out: Path, number: signal.Signals) -> int:
    deadline = time.monotonic() + 200
    while not ((out / "checkpoints").is_dir() and max(steps(out), default=0) >= 20):
        assert process.poll() is None, out.with_suffix(".stderr").read_text()
        assert time.monotonic() < deadline, "no checkpoint in 200 s"
        time.sleep(0.002)
    os.kill(process.pid, number)
    return process.wait(timeout=60)


@pytest.fixture(scope="module", params=RUNS)
def stopped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stopped]:
    root = tmp_path_factory.mktemp(request.param)
    killed, signalled, never_stopped = root / "killed", root / "signalled", root / "never-stopped"
    command = ["train", *RUNS[request.param].split(), "--seed", 3]
    processes = {}
    for out in (killed, signalled):
        options = map(str, [*command, "--num-steps", ENDLESS, "--checkpoint-every", 10, "--out", out])
        with out.with_suffix(".stderr").open("w") as stderr:
            processes[out] = subprocess.Popen([sys.executable, "-m", "jmeta.cli.main", *options], stderr=stderr)
    try:
        killed_status = stop_after_two_checkpoints(processes[killed], killed, signal.SIGKILL)
        signalled_status = stop_after_two_checkpoints(processes[signalled], signalled, OTHER_SIGNAL[request.param])
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()
    num_steps = 7 + max(len(RunDirectory(out).read_metrics()) for out in processes)
    # How often a run saves is its own affair.
    assert jmeta(*command, "--num-steps", num_steps, "--checkpoint-every", ENDLESS, "--out", never_stopped, "--no-progress") == 0
    yield Stopped(
        command=command,
        outer=build(recipe_of(RunDirectory(never_stopped).read_config(), "")),
        killed=killed,
        killed_status=killed_status,
        signalled=signalled,
        signalled_status=signalled_status,
        said=signalled.with_suffix(".stderr").read_text(),
        never_stopped=never_stopped,
        num_steps=num_steps,
    )
    shutil.rmtree(root)


@pytest.mark.parametrize("how", ["resume", "train --resume"])
def test_a_killed_run_goes_on_bit_for_bit(stopped, how, tmp_path):
    assert stopped.killed_status == -signal.SIGKILL
    assert 20 <= steps(stopped.killed)[-1] <= len(RunDirectory(stopped.killed).read_metrics()) < stopped.num_steps
    out = tmp_path / "run"
    shutil.copytree(stopped.killed, out)
    command = ["resume", out] if how == "resume" else [*stopped.command, "--resume", "--out", out]
    assert jmeta(*command, "--num-steps", stopped.num_steps, "--no-progress") == 0
    assert_same_run(out, stopped.never_stopped, stopped.outer)


def test_a_signalled_run_goes_on_bit_for_bit(stopped, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(stopped.signalled, out)
    assert jmeta("resume", out, "--num-steps", stopped.num_steps, "--no-progress") == 0
    assert_same_run(out, stopped.never_stopped, stopped.outer)


def test_a_signalled_run_saves_and_says_how_to_go_on(stopped):
    step = steps(stopped.signalled)[-1]
    assert len(RunDirectory(stopped.signalled).read_metrics()) == step  # nothing that was done is done again
    name = {143: "SIGTERM", 130: "SIGINT"}[stopped.signalled_status]  # 128 + 15, 128 + 2
    assert f"stopped by {name} at step {step}; saved in {stopped.signalled}" in stopped.said
    assert f"continue with: jmeta resume {stopped.signalled}" in stopped.said
    assert "Traceback" not in stopped.said
