"""A training that hangs says so, and two signals always end it; what can't be trained right is refused."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmeta
from jmeta.training import engine, supervision
from jmeta.training.supervision import Supervision, supervised
from tests.training.walk import KEY, Walk, walk

TOGETHER = """
import sys
import jax
jax.distributed.initialize(sys.argv[1], num_processes=2, process_id=int(sys.argv[2]))
from tests.training.walk import walk
try:
    walk()
except ValueError as error:
    print(error)
"""
HANGS = """
import sys, threading, time
import jax, jax.numpy as jnp
import jmeta
from jmeta import struct
from jmeta.comparison import Budget, Cell, Comparison, compare
from jmeta.training import supervision
from tests.training.walk import Walk

supervision.SECONDS_WITHOUT_PROGRESS, supervision.SECONDS_OF_GRACE, supervision.POLL_SECONDS = 1.0, 0.5, 0.1

@struct.dataclass
class Hangs(Walk):
    def step(self, state, key):
        state, metrics = super().step(state, key)
        never = jax.pure_callback(lambda: threading.Event().wait(), jax.ShapeDtypeStruct((), jnp.bool_), vmap_method="sequential")
        return state, metrics | {"sick": jnp.where(never, 1.0, 0.0)}

if sys.argv[1] == "train":
    jmeta.train(Hangs(), 0, 10, progress=False)
else:
    tasks = jmeta.tasks.BernoulliBandit(num_arms=2, num_pulls=5)
    inner = jmeta.references.Random(tasks.observation_size, tasks.action_space)
    compare(Comparison("", (Cell("t", "a", "a", {"": Hangs(tasks=tasks, inner=inner)}),), 1, Budget(env_steps=100)), sys.argv[2])
"""


@pytest.mark.parametrize("how", ["train", pytest.param("compare", marks=pytest.mark.slow)])
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_training_that_hangs_says_so_and_ends_at_the_second_signal(how, number, tmp_path):
    """The main thread waits in XLA for a callback that never returns, so no handler of Python's can run there."""
    log = tmp_path / "stderr"
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    with log.open("w") as stderr:
        command = [sys.executable, "-c", HANGS, how, str(tmp_path / "out")]
        process = subprocess.Popen(command, stderr=stderr, env=os.environ | {"PYTHONPATH": path}, cwd=root)
    try:

        def until_it_says(words: str) -> None:
            deadline = time.monotonic() + 120
            while words not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)

        until_it_says("the current activity is outer step 1")
        process.send_signal(number)
        until_it_says(f"{number.name}: stopping after outer step 1")
        time.sleep(1.0)
        assert process.poll() is None  # one signal waits for the step
        process.send_signal(number)
        assert process.wait(timeout=20) == 128 + number
        assert f"ended by {number.name}: what was under way did not stop" in log.read_text()
    finally:
        process.kill()
        process.wait()


def test_the_second_signal_is_an_exception_where_python_runs():
    for number, error in ((signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)):
        before = signal.getsignal(number)
        caught = []

        def twice(number=number, caught=caught):
            with supervised(lambda message: None) as watch:
                signal.raise_signal(number)
                caught.extend(watch.caught)
                signal.raise_signal(number)

        with pytest.raises(error):
            twice()
        assert caught == [number.name]
        assert signal.getsignal(number) is before


def test_the_second_signal_sets_a_deadline_of_five_seconds(monkeypatch):
    monkeypatch.setattr(supervision.time, "monotonic", lambda: 100.0)
    watch = Supervision(lambda message: None)
    watch._arrived(signal.SIGINT)
    assert watch._die_at == float("inf")
    watch._arrived(signal.SIGTERM)
    assert watch._die_at == 105.0


def test_warnings_come_at_growing_intervals(monkeypatch):
    """After 180 s, and then after twice as long each time: at 180, 360, 720 s of the hour, and 1440 and 2880."""
    now, said = [0.0], []
    monkeypatch.setattr(supervision.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(supervision.time, "process_time", lambda: 0.25 * now[0])
    watch = Supervision(said.append)
    watch.doing("outer step 7")
    for second in range(3600):
        now[0] = float(second)
        watch._warn(now[0])
    assert [line.split(",")[0] for line in said] == [f"no progress for {s} s" for s in (180, 360, 720, 1440, 2880)]
    assert "used 45 s of CPU time; the current activity is outer step 7." in said[0]  # a quarter of 180 s


def test_a_slow_step_is_no_hang(monkeypatch):
    """Steps of 100 s: 1000 s without one is odd, 999 s is not."""
    now, said = [0.0], []
    monkeypatch.setattr(supervision.time, "monotonic", lambda: now[0])
    watch = Supervision(said.append)
    watch.doing("outer step 7", usual_seconds=100.0)
    watch._warn(999.0)
    assert said == []
    watch._warn(1000.0)
    assert len(said) == 1
    watch.doing("outer step 8", usual_seconds=100.0)  # a sign of life at 0 s by this clock
    now[0] = 999.0
    watch._warn(999.0)
    assert len(said) == 1


def test_a_signal_while_compiling_is_acknowledged_and_claims_nothing(tmp_path, monkeypatch, capfd):
    compile_ = engine.Engine._compile

    def interrupted(*args):
        signal.raise_signal(signal.SIGINT)
        time.sleep(2 * supervision.POLL_SECONDS)
        return compile_(*args)

    monkeypatch.setattr(engine.Engine, "_compile", interrupted)
    result = walk(tmp_path / "run", 20, progress=True)
    assert result.interrupted_by == "SIGINT"
    said = capfd.readouterr().err
    assert "SIGINT: stopping after compiling; a second signal stops it at once" in said
    assert "stopped by SIGINT at step 0; nothing was trained, so nothing was saved" in said
    assert "saved in" not in said


# What can't be trained right


def test_one_of_several_processes_is_refused(monkeypatch):
    """Each would train the same model, and nobody would notice."""
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(ValueError, match=r"this is process 0 of 2 of jax\.distributed, and jmeta runs in a single process"):
        walk()


@pytest.mark.slow
def test_two_processes_are_refused():
    """For once with ``jax.distributed`` itself."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    begin = [sys.executable, "-c", TOGETHER, address]
    processes = [subprocess.Popen([*begin, str(i)], stdout=subprocess.PIPE, text=True) for i in range(2)]
    said = [process.communicate(timeout=120)[0] for process in processes]
    for index, text in enumerate(said):
        assert f"this is process {index} of 2 of jax.distributed, and jmeta runs in a single process" in text


def test_held_out_tasks_are_not_trained_on():
    held_out = jmeta.tasks.BernoulliBandit(num_pulls=5).held_out
    with pytest.raises(ValueError, match=r"built on the held-out tasks of BernoulliBandit, .*: build it on tasks\.train"):
        walk(outer=Walk(tasks=held_out))


def test_a_number_is_no_directory():
    with pytest.raises(TypeError, match="out=3: give a directory, such as 'runs/mine'"):
        walk(3)


def test_disabled_jit_is_refused():
    with jax.disable_jit(), pytest.raises(ValueError, match=r"jax\.disable_jit\(\) is on, and training is one compiled program"):
        walk()


def test_a_mesh_of_the_users_own():
    """Training has a mesh of its own; a learner that is called under another kind says what it needs."""
    mesh = jax.make_mesh((1,), ("x",), (jax.sharding.AxisType.Auto,), devices=jax.local_devices()[:1])
    with jax.set_mesh(mesh):
        np.testing.assert_array_equal(walk(num_steps=3).theta["position"], walk(num_steps=3).theta["position"])
    tasks = jmeta.tasks.BernoulliBandit(num_arms=2, num_pulls=2)
    agent = jmeta.references.Random(tasks.observation_size, tasks.action_space)
    message = r"the current mesh has the axes \('x',\), but jmeta splits tasks over a single axis 'tasks'"
    with jax.set_mesh(mesh), pytest.raises(ValueError, match=message):
        jmeta.evaluate(agent, tasks, (), KEY, protocol=jmeta.Protocol(1, 2, 1), num_tasks=4)


# Nothing trained, nothing left


class Broken(Walk):
    """Traces, and fails when it is to be compiled."""

    def step(self, state, key):
        raise ValueError("an outer step does not fit")


def test_a_failed_start_leaves_nothing(tmp_path):
    for out in (tmp_path / "run", tmp_path / "a" / "b"):
        with pytest.raises(ValueError, match="does not fit"):
            walk(out, outer=Broken())
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="does not fit"):
        walk(tmp_path / "empty", outer=Broken())
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]
    walk(tmp_path / "run", 3)  # the corrected command


def test_what_was_trained_before_an_error_stays(tmp_path):
    with pytest.raises(FloatingPointError):
        walk(tmp_path / "run", outer=Walk(nan_at=2))
    with pytest.raises(FileExistsError, match="is never overwritten"):
        walk(tmp_path / "run")


def test_a_first_step_that_is_not_finite_leaves_nothing(tmp_path):
    """There is no checkpoint and no finite number, so the corrected command may have the same directory."""
    with pytest.raises(FloatingPointError, match="at outer step 1; no checkpoint was written"):
        walk(tmp_path / "run", outer=Walk(nan_at=1))
    assert not list(tmp_path.iterdir())
    walk(tmp_path / "run", 3)


def test_a_start_that_was_stopped_before_its_first_step_gives_way(tmp_path, monkeypatch):
    """Killed while it compiled: config.json is there, and nothing was trained. The next command may have other settings."""
    compile_ = engine.Engine._compile

    def interrupted(*args):
        signal.raise_signal(signal.SIGTERM)
        return compile_(*args)

    with monkeypatch.context() as patched:
        patched.setattr(engine.Engine, "_compile", interrupted)
        walk(tmp_path / "run")
    assert (tmp_path / "run" / "config.json").is_file()
    walk(tmp_path / "run", 3, outer=Walk(learning_rate=0.2))
    assert jmeta.restore(Walk(), tmp_path / "run")[0] == 3


def test_a_start_of_another_process_does_not_give_way(tmp_path):
    from jmeta.training import RunDirectory

    walk_config = {"format": 1}
    run = RunDirectory(tmp_path / "run")
    with run.new(walk_config, bytes_needed=0):
        with pytest.raises(ValueError, match="another process is training in"):
            walk(tmp_path / "run")
        assert (tmp_path / "run" / "config.json").read_text().strip() == '{\n  "format": 1\n}'


# Finished


def test_a_finished_run_says_so_at_once(tmp_path, monkeypatch, capfd):
    walk(tmp_path / "run", 10)
    files = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    monkeypatch.setattr(Walk, "step", lambda *args: pytest.fail("compiled, or began to"))
    result = walk(tmp_path / "run", 10, resume=True, progress=True)
    monkeypatch.undo()
    assert f"{tmp_path / 'run'} is finished: it is at step 10 of 10" in capfd.readouterr().err.replace("\n", "")
    assert (result.step, result.interrupted_by, result.metrics, result.compile_seconds) == (10, None, {}, 0.0)
    np.testing.assert_array_equal(result.theta["position"], walk(num_steps=10).theta["position"])
    assert isinstance(result.theta["position"], jnp.ndarray)
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == files
