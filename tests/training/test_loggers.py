"""What can be watched while a run is under way: files that grow, and a progress bar that tells the truth."""

import errno
import io
import json
import shutil
import struct
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console
from tensorboardX.proto.event_pb2 import Event, SessionLog

from jmeta.training import engine
from jmeta.training.loggers import JsonLines, TensorBoard
from jmeta.training.progress import ProgressReport
from tests.training.walk import walk


def scalars(directory: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows of its records: a length of 8 bytes and its checksum of 4, then an event and its checksum of 4.

    Where a session starts at a step, it shows nothing of that step or later ones from the files before.
    """
    found: dict[str, list[tuple[int, float]]] = {}
    for file in sorted(directory.iterdir()):
        content, begin = file.read_bytes(), 0
        while begin < len(content):
            (length,) = struct.unpack_from("<Q", content, begin)
            event = Event.FromString(content[begin + 12 : begin + 12 + length])
            if event.session_log.status == SessionLog.START:
                found = {tag: [point for point in points if point[0] < event.step] for tag, points in found.items()}
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
            begin += 12 + length + 4
    return found


@pytest.fixture
def after_each_step(monkeypatch):
    """Calls a function with the step whenever the loop has reported one; chunks are one step long."""
    monkeypatch.setattr(engine, "SECONDS_PER_CHUNK", 0.0)
    original = ProgressReport.update

    def arrange(action):
        def update(self, step, seconds, metrics):
            original(self, step, seconds, metrics)
            action(step)

        monkeypatch.setattr(ProgressReport, "update", update)

    return arrange


def test_lines_can_be_read_while_the_run_is_under_way(tmp_path, after_each_step):
    metrics, seen = tmp_path / "run" / "metrics.jsonl", []
    after_each_step(lambda step: seen.append([json.loads(line)["step"] for line in metrics.read_text().splitlines()]))
    walk(tmp_path / "run", 6)
    assert seen == [list(range(1, step + 1)) for step in range(1, 7)]


def test_tensorboard_follows_within_seconds(tmp_path, after_each_step):
    """A run may last for days; so it must not wait for the end, or for a full buffer."""

    def wait(step):
        deadline = time.monotonic() + 20
        while step == 3 and len(scalars(tmp_path / "run" / "tensorboard").get("return/after", [])) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    after_each_step(wait)
    walk(tmp_path / "run", 6)


def test_json_lines(tmp_path):
    logger = JsonLines(tmp_path / "metrics.jsonl")
    logger.write(2, 50, {"loss": np.asarray([0.5, 0.25], np.float32), "return/after": np.asarray([1.0, 2.0], np.float32)})
    logger.close()
    JsonLines(tmp_path / "metrics.jsonl").close()  # appends
    assert [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [
        {"step": 3, "env_steps": 150, "loss": 0.5, "return/after": 1.0},
        {"step": 4, "env_steps": 200, "loss": 0.25, "return/after": 2.0},
    ]


def test_tensorboard_gets_the_mean_of_a_chunk_at_its_last_step(tmp_path):
    logger = TensorBoard(tmp_path, purge_step=3)
    logger.write(2, 50, {"loss": np.asarray([0.5, 0.25], np.float32)})
    logger.write(4, 50, {"loss": np.asarray([1.0], np.float32)})
    logger.close()
    assert scalars(tmp_path) == {"loss": [(4, 0.375), (5, 1.0)]}  # (0.5 + 0.25) / 2


def test_tensorboard_has_no_point_for_what_is_no_number(tmp_path, caplog):
    """Such as the return of an episode in a chunk in which none ended."""
    logger = TensorBoard(tmp_path, purge_step=1)
    logger.write(0, 1, {"return": np.array([np.nan, 1.0]), "loss": np.array([1.0, 3.0])})
    logger.close()
    assert not caplog.records
    assert scalars(tmp_path) == {"loss": [(2, 2.0)]}


@pytest.mark.parametrize("newest", [5, 3])
def test_tensorboard_after_a_resume(tmp_path, newest):
    """One curve: every step once, in two files, also where the steps after the newest checkpoint are taken again."""
    out = tmp_path / "run"
    walk(out, 5, checkpoint_every=1)
    for step in range(newest + 1, 6):
        shutil.rmtree(out / "checkpoints" / str(step))
    walk(out, 8, checkpoint_every=1, resume=True)
    assert [step for step, _ in scalars(out / "tensorboard")["return/after"]] == list(range(1, 9))


def test_two_resumes_within_a_second_have_files_of_their_own(tmp_path):
    for step in (1, 2):
        logger = TensorBoard(tmp_path, purge_step=step)
        logger.write(step - 1, 50, {"loss": np.asarray([1.0], np.float32)})
        logger.close()
    assert scalars(tmp_path) == {"loss": [(1, 1.0), (2, 1.0)]}


# Progress

METRICS = {"return/before": np.asarray([0.2, 0.3]), "return/after": np.asarray([0.7, 0.8])}  # means 0.25 and 0.75


class Clock:
    """Time passes when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("seconds", [0.5, 100.0])
def test_a_terminal_shows_speed_returns_and_the_time_left(seconds):
    """Two steps in ``seconds``, of 3000 environment steps each; 90 steps to go take 45 times as long."""
    clock, screen = Clock(), io.StringIO()
    console = Console(file=screen, force_terminal=True, width=160, get_time=clock, color_system=None)
    with ProgressReport(0, 100, 3000, console=console) as report:
        assert "compiling" in screen.getvalue()
        for step in range(2, 11, 2):
            clock.now += seconds
            report.update(step, seconds, METRICS)
    shown = [line for line in screen.getvalue().replace("\r", "\n").splitlines() if "/100" in line][-1]
    assert "10/100" in shown
    assert {0.5: "12k env steps/s", 100.0: " 60 env steps/s"}[seconds] in shown
    assert "return of first episode 0.25, of last 0.75" in shown
    assert {0.5: "0:00:23", 100.0: "1:15:00"}[seconds] in shown  # 45 x 0.5 s = 22.5 s; 45 x 100 s = 4500 s


def test_a_resumed_run_begins_where_it_was():
    screen = io.StringIO()
    with ProgressReport(40, 100, 10, console=Console(file=screen, force_terminal=True, width=160, color_system=None)):
        assert "40/100" in screen.getvalue()


def test_elsewhere_a_line_now_and_then(monkeypatch):
    """Log files and pipes get whole lines: at most one in 20 seconds, and one at the end."""
    clock, log = Clock(), io.StringIO()
    monkeypatch.setattr("jmeta.training.progress.time.monotonic", clock)
    with ProgressReport(0, 100, 3000, console=Console(file=log, width=80)) as report:
        for step in range(2, 101, 2):
            clock.now += 2.0
            report.update(step, 2.0, METRICS)
    lines = log.getvalue().splitlines()
    assert lines[0] == "step 22/100  3k env steps/s  return of first episode 0.25, of last 0.75  78 s left"  # 11 x 2 s > 20 s
    assert [int(line.split()[1].partition("/")[0]) for line in lines] == [22, 44, 66, 88, 100]


def test_notes_are_said_to_the_letter():
    """A path may be long, and may look like markup."""
    log = io.StringIO()
    path = "/data/[bold]/" + "long/" * 40
    ProgressReport(0, 1, 1, console=Console(file=log, width=80)).note(f"saved in {path}")
    assert log.getvalue() == f"saved in {path}\n"


def test_quiet_is_quiet(capfd):
    walk(progress=False)
    assert capfd.readouterr() == ("", "")
    for terminal in (True, False):
        screen = io.StringIO()
        console = Console(file=screen, force_terminal=terminal)
        with ProgressReport(0, 2, 1, enabled=False, console=console) as report:
            report.note("hello")
            report.update(2, 1.0, METRICS)
        assert screen.getvalue() == ""


def test_progress_is_on_standard_error(capfd):
    walk()
    walk(progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "compiled in" in err
    assert "step 20/20" in err


def test_a_resume_goes_on_with_the_same_run_of_weights_and_biases(tmp_path, monkeypatch):
    asked = []

    class Run:
        def log(self, point, step):
            pass

        def finish(self):
            pass

    def init(**options):
        asked.append(options)
        return Run()

    monkeypatch.setattr("jmeta.training.loop.require_wandb", lambda: None)
    monkeypatch.setattr("jmeta.training.loggers.require_wandb", lambda: None)
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    walk(tmp_path / "run", 5, wandb_project="mine")
    walk(tmp_path / "run", 8, resume=True, wandb_project="mine")
    walk(tmp_path / "other", 5, wandb_project="mine")
    first, second, other = asked
    assert first["id"] == second["id"] != other["id"]
    assert first["resume"] == "allow"


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_curves_that_can_not_be_written_end_no_thread(tmp_path):
    """TensorBoard's writer holds ten events; with its thread gone, whoever writes the eleventh would wait for ever."""
    logger = TensorBoard(tmp_path, purge_step=1)
    logger._writer.file_writer.event_writer._ev_writer._py_recordio_writer._writer.write = full
    told = 0
    for step in range(40):
        try:
            logger.write(step, 1, {"loss": np.asarray([1.0], np.float32)})
        except OSError as error:
            told += str(error) == f"curves could not be written to {tmp_path} (No space left on device)"
        time.sleep(0.01)
    logger.close()
    assert told > 0


@pytest.mark.parametrize("failing", ["write", "flush"])
def test_metrics_that_can_not_be_written(failing, tmp_path):
    logger = JsonLines(tmp_path / "metrics.jsonl")
    logger._file.close()
    logger._file = SimpleNamespace(**{"write": lambda lines: None, "flush": lambda: None, "close": full} | {failing: full})
    message = r"metrics up to outer step 2 could not be written to .* \(No space left on device\): free some space"
    with pytest.raises(OSError, match=message):
        logger.write(0, 1, {"loss": np.asarray([1.0, 1.0], np.float32)})
    logger.close()


def test_metrics_beyond_the_size_that_a_file_may_have(tmp_path, no_file_above):
    """2,000 lines do not fit into the file's buffer, so ``write`` fails and not ``flush``."""
    logger = JsonLines(tmp_path / "metrics.jsonl")
    no_file_above(20_000)
    with pytest.raises(OSError, match=r"metrics up to outer step 2000 could not be written to .* \(File too large\): free some"):
        logger.write(0, 1, {"loss": np.ones(2_000, np.float32)})
    logger.close()
