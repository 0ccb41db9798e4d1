"""What lies on disk may be damaged in any way: a sentence says so, and nothing that was whole is lost."""

import contextlib
import errno
import json
import logging
import math
import os
import pickle
import random
import shutil
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest
from absl.logging import ABSLLogger

from jmeta.cli.main import main
from jmeta.cli.train_options import recorded_options
from jmeta.evaluation.plots import plot_runs
from jmeta.registry import build
from jmeta.runs import learner_of
from jmeta.training import RunDirectory, restore
from jmeta.training.checkpoints import Checkpoints
from jmeta.training.schema import fits, misfit
from tests.training.walk import Walk, assert_same_run, steps, walk

CONFIG = {
    "format": 1,
    "recipe": {
        "algorithm": "rl2",
        "algorithm_fields": {"hidden_size": 4, "num_tasks": 16, "learning_rate": 0.001, "core": "gru"},
        "task": "bernoulli-bandit",
        "task_fields": {"num_arms": 3, "num_pulls": 3},
    },
    "options": {"seed": 3, "num_steps": 6, "num_devices": None, "checkpoint_every": 2, "keep": 2, "wandb_project": None},
    "learner": {"type": "PPO"},
    "key": [0, 3],
    "versions": {"jmeta": "0.1.0"},
    "git_commit": None,
    "device": "2 x cpu",
    "command": ["jmeta", "train"],
}


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    run.config_file.write_text(json.dumps(CONFIG))
    return run


# config.json


def read_all(run: RunDirectory) -> None:
    """Everything that ``jmeta resume`` reads off config.json."""
    learner_of(run.path)
    recorded_options(run)


def test_a_sound_config_is_read(directory):
    read_all(directory)


PLACES = [
    ("format",),
    ("recipe",),
    *(("recipe", name) for name in CONFIG["recipe"]),
    *(("recipe", "algorithm_fields", name) for name in CONFIG["recipe"]["algorithm_fields"]),
    *(("recipe", "task_fields", name) for name in CONFIG["recipe"]["task_fields"]),
    ("recipe", "unknown"),
    ("recipe", "algorithm_fields", "unknown"),
    ("recipe", "task_fields", "unknown"),
    ("options",),
    *(("options", name) for name in CONFIG["options"]),
    ("options", "unknown"),
    ("options", "out"),
    ("learner",),
    ("key",),
    ("versions",),
    ("command",),
    ("resumed_with",),
]
VALUES = [
    None,
    True,
    -1,
    0,
    1.5,
    10**30,
    math.nan,
    math.inf,
    "",
    "x",
    "3",
    "a:b",
    [],
    [1],
    [[]],
    {},
    {"a": 1},
    "deleted",
    "nested",
]


def damage(config: dict, place: tuple[str, ...], value: object) -> str:
    config = json.loads(json.dumps(config))
    *way, name = place
    table = config
    for key in way:
        table = table[key]
    if value == "deleted":
        table.pop(name, None)
    else:
        table[name] = value
    return json.dumps(config).replace('"nested"', "[" * 5000 + "]" * 5000)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype:UserWarning")  # for sizes that no machine holds
def test_fuzz_config(directory):
    """250 of the damaged forms, chosen with a seed: read, or refused in a sentence that names the file or the run."""
    chosen = random.Random(22).sample([(place, value) for place in PLACES for value in VALUES], 250)
    refused = 0
    for place, value in chosen:
        written = damage(CONFIG, place, value)
        directory.config_file.write_text(written)
        with contextlib.suppress(ValueError):
            read_all(directory)
            continue
        refused += 1
        with pytest.raises(ValueError, match=r"^[^\n]*run[^\n]*$"):  # a sentence that names the run
            read_all(directory)
        assert directory.config_file.read_text() == written
    assert 100 < refused < 250  # most values are wrong in most places, some are right in some


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("recipe",), ["rl2"], r"config\.json is damaged \(recipe=\['rl2'\] is not of type dict"),
        (("recipe", "task"), 3, "recipe.task=3 is not a string"),
        (("recipe", "algorithm_fields", "hidden_size"), "4", "hidden_size='4' is not a whole number"),
        (("recipe", "algorithm_fields", "hiden_size"), 4, "no setting is called 'hiden_size'; did you mean 'hidden_size'"),
        (("recipe", "task_fields", "num_arms"), None, "num_arms=None is not a whole number"),
        (("options",), [], r"options=\[\] is not of type"),
        (("options", "num_steps"), math.inf, "options.num_steps=inf is not a whole number"),
        (("options", "nmu_steps"), 3, "options has 'nmu_steps'"),
        (("key",), [0.5], r"key=\[0\.5\] is not of type list\[int\]"),
        (("format",), "1", "format='1' is not a whole number"),
        (("learner",), "deleted", "it has no 'learner'"),
        (("recipe", "task_fields"), "nested", r"config\.json is damaged \(.*recursion"),
    ],
    ids=str,
)
def test_a_damaged_config_is_told_of_by_name(directory, place, value, message):
    directory.config_file.write_text(damage(CONFIG, place, value))
    with pytest.raises(ValueError, match=message):
        read_all(directory)


def test_the_schema():
    assert fits(3, int | None)
    assert not fits(True, int)
    assert misfit({"a": 1}, {"a": str}, set(), "there.") == "there.a=1 is not a string"
    assert misfit([], {}, set()) == "it is no object"
    assert misfit({}, {"a": str}, {"a"}) == "it has no 'a'"


# metrics.jsonl


def lines(count: int) -> list[bytes]:
    return [json.dumps({"step": i, "env_steps": 20 * i, "return/after": i / 7}).encode() for i in range(1, count + 1)]


def test_separators_within_strings_cost_nothing(directory):
    """JSON may hold U+2028 and NEL in strings, at which ``str.splitlines`` cuts: 30 lines of 40 were lost."""
    rows = lines(40)
    rows[29] = '{"step": 30, "env_steps": 600, "a\u2028b\x85c\u2029d": 1}'.encode()
    directory.metrics_file.write_bytes(b"\n".join(rows) + b"\n")
    assert [row["step"] for row in directory.read_metrics()] == list(range(1, 41))
    directory.forget_metrics_after(40)
    assert directory.metrics_file.read_bytes() == b"\n".join(rows) + b"\n"


@pytest.mark.parametrize(
    "bad",
    [
        *(b"{}", b'{"step": "7"}', b'{"step": 7.0}', b"[7]", b"\xff\xfe", b"{", b"\x00" * 9, b"[" * 9999),
        *(b'{"step": 7, "loss": %s}' % value for value in (b'{"a": 1}', b"[1.0]", b'"a lot"', b"true")),
        *(b'{"step": %d}' % step for step in (0, 2**31, 10**23)),
    ],
)
def test_a_damaged_line_is_set_aside_and_told_of(directory, bad):
    rows = lines(9)
    directory.metrics_file.write_bytes(b"\n".join([*rows[:6], bad, *rows[7:]]) + b"\n")
    with pytest.warns(RuntimeWarning) as warned:
        assert [row["step"] for row in directory.read_metrics()] == [1, 2, 3, 4, 5, 6, 8, 9]
    said = [str(warning.message) for warning in warned]
    wrong = ["1 lines are damaged", "steps 7 to 7 are missing, in the first of 1 gaps"]
    assert said == [f"{directory.metrics_file}: {what}" for what in wrong]
    with pytest.warns(RuntimeWarning):
        directory.forget_metrics_after(8)
    assert directory.metrics_file.read_bytes() == b"\n".join([*rows[:6], rows[7]]) + b"\n"
    assert directory.damaged_metrics.read_bytes() == bad + b"\n"


def test_a_step_that_is_there_twice(directory):
    rows = lines(4)
    directory.metrics_file.write_bytes(b"\n".join([*rows, b'{"step": 2, "again": 1}']) + b"\n")
    with pytest.warns(RuntimeWarning, match="steps are there twice, 2 first: the later line counts"):
        assert directory.read_metrics()[1] == {"step": 2, "again": 1}
    with pytest.warns(RuntimeWarning):
        directory.forget_metrics_after(9)
    assert directory.damaged_metrics.read_bytes() == rows[1] + b"\n"


def test_a_damaged_line_does_not_displace_the_sound_one_of_its_step(directory):
    rows = lines(4)
    bad = b'{"step": 2, "loss": {"a": 1}}'
    directory.metrics_file.write_bytes(b"\n".join([*rows, bad]) + b"\n")
    with pytest.warns(RuntimeWarning, match="1 lines are damaged"):
        assert directory.read_metrics()[1] == json.loads(rows[1])
    with pytest.warns(RuntimeWarning):
        directory.forget_metrics_after(4)
    assert directory.metrics_file.read_bytes() == b"\n".join(rows) + b"\n"
    assert directory.damaged_metrics.read_bytes() == bad + b"\n"


def test_a_step_has_32_bits_and_a_metric_may_be_null(directory):
    row = {"step": 2**31 - 1, "loss": None, "return/after": 0.5}
    directory.metrics_file.write_text(json.dumps(row) + "\n")
    with pytest.warns(RuntimeWarning, match="steps 1 to 2147483646 are missing"):
        assert directory.read_metrics() == [row]


def test_a_plot_leaves_out_what_is_damaged(directory, tmp_path):
    whole = [json.dumps({"step": i, "env_steps": i, "return/before": 0.0, "return/after": 1.0}).encode() for i in (1, 2, 4)]
    bad = [b"{}", b'{"step": "three"}', b'{"step": 3, "loss": 1.0}']
    directory.metrics_file.write_bytes(b"\n".join([*whole, *bad]) + b"\n")
    with pytest.warns(RuntimeWarning, match="2 lines are damaged"):
        assert plot_runs([directory], tmp_path / "plot.png").stat().st_size > 1000
    directory.metrics_file.write_bytes(bad[2] + b"\n")
    with pytest.warns(RuntimeWarning), pytest.raises(ValueError, match="has no metrics to plot yet"):
        plot_runs([directory], tmp_path / "plot.png")


@pytest.mark.filterwarnings("ignore:.*(1 lines are damaged|steps 1 to 1 are missing):RuntimeWarning")
@pytest.mark.parametrize("value", [None, "a lot", [1.0], True])
def test_a_plot_leaves_out_a_step_whose_return_is_no_number(directory, tmp_path, value):
    row = {"step": 1, "env_steps": 1, "return/before": 0.0, "return/after": 1.0}
    directory.metrics_file.write_text(json.dumps(row | {"return/before": value}) + "\n")
    with pytest.raises(ValueError, match="has no metrics to plot yet"):
        plot_runs([directory], tmp_path / "plot.png")
    with directory.metrics_file.open("a") as file:
        file.write(json.dumps(row | {"step": 2}) + "\n")
    assert plot_runs([directory], tmp_path / "plot.png").stat().st_size > 1000


EVALUATION = {
    "env_steps": [0.0, 5.0],
    "episode_returns": [0.6, 0.7],
    "episode_standard_errors": [None, None],
    "num_tasks": 1,
    "split": "held-out",
}


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        json.dumps(EVALUATION).encode()[:-9],
        b"\xff",
        b"[" * 5000,
        b"[]",
        json.dumps(EVALUATION | {"episode_returns": "high"}).encode(),
        json.dumps({name: value for name, value in EVALUATION.items() if name != "env_steps"}).encode(),
    ],
)
def test_a_damaged_evaluation_is_left_out_and_told_of(directory, bad):
    """A run with one can be opened and plotted; the newest that is whole counts."""
    folder = directory.path / "evaluations"
    folder.mkdir()
    (folder / "newer.json").write_bytes(bad)
    with pytest.warns(RuntimeWarning, match=r"newer\.json is damaged \(.*evaluate again"):
        assert directory.newest_evaluation() is None
    (folder / "older.json").write_text(json.dumps(EVALUATION))
    os.utime(folder / "older.json", (0, 0))
    with pytest.warns(RuntimeWarning, match=r"newer\.json"):
        assert directory.newest_evaluation() == EVALUATION


def test_a_run_goes_on_over_damaged_metrics(tmp_path):
    walk(tmp_path / "run", 10)
    walk(tmp_path / "other", 15)
    run = RunDirectory(tmp_path / "run")
    whole = run.metrics_file.read_bytes()
    run.metrics_file.write_bytes(whole.replace(b'{"step": 4,', b'{"stop": 4,'))
    with pytest.warns(RuntimeWarning) as warned:
        walk(tmp_path / "run", 15, resume=True)
    assert "1 lines are damaged" in str(warned[0].message)
    expected = (tmp_path / "other" / "metrics.jsonl").read_bytes().split(b"\n")
    assert run.metrics_file.read_bytes().split(b"\n") == expected[:3] + expected[4:]
    assert run.damaged_metrics.read_bytes().startswith(b'{"stop": 4,')


def test_fuzz_metrics(directory):
    """150 files, damaged with a seed at up to five places: every line that was not touched is read, and none is thrown away."""
    generator = random.Random(7)
    whole = lines(40)
    for case in range(150):
        content = bytearray(b"\n".join(whole) + b"\n")
        for _ in range(generator.randint(1, 5)):
            at = generator.randrange(len(content))
            kind = generator.choice(["flip", "insert", "delete", "repeat", "zero"])
            if kind == "flip":
                content[at] ^= 1 << generator.randrange(8)
            elif kind == "insert":
                content[at:at] = generator.choice([b"\n", b"\r", "\u2028".encode(), b"{}", b"\xff", b'"', b"null\n", b"[[[["])
            elif kind == "delete":
                del content[at : at + generator.randint(1, 60)]
            elif kind == "repeat":
                content[at:at] = content[at : at + generator.randint(1, 120)]
            else:
                content[at : at + 16] = b"\x00" * 16
        directory.metrics_file.write_bytes(bytes(content))
        directory.damaged_metrics.unlink(missing_ok=True)
        *found, _ = bytes(content).split(b"\n")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            rows = directory.read_metrics()
            directory.forget_metrics_after(10**18)
        kept = directory.metrics_file.read_bytes().split(b"\n")
        aside = directory.damaged_metrics.read_bytes().split(b"\n") if directory.damaged_metrics.exists() else []
        assert {line for line in found if line in whole} <= {json.dumps(row).encode() for row in rows} | set(aside), case
        assert set(found) - {b""} <= {*kept, *aside}, case  # on disk, in one file or the other
        assert [row["step"] for row in rows] == sorted({row["step"] for row in rows}), case


# Checkpoints


@pytest.mark.slow
def test_fuzz_checkpoints(tmp_path):
    """100 times, one file of the newest of two is damaged with a seed: what is restored is one of the two, to the bit."""
    generator = random.Random(3)
    state = {step: {"w": jax.random.normal(jax.random.key(step), (40,)), "k": jax.random.key(step)} for step in (1, 2)}
    original = tmp_path / "original"
    with contextlib.closing(Checkpoints(original / "checkpoints", keep=2)) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, state[step])
    template = jax.eval_shape(lambda: state[1])
    newest = []
    for case in range(100):
        copy = shutil.copytree(original, tmp_path / str(case))
        file = generator.choice(sorted(path for path in (copy / "checkpoints" / "2").rglob("*") if path.is_file()))
        content = bytearray(file.read_bytes())
        kind = generator.choice(["flip", "truncate", "empty", "delete", "zero"])
        if kind == "flip" and content:
            content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        elif kind == "truncate":
            content = content[: generator.randrange(len(content) + 1)]
        elif kind == "empty":
            content = bytearray()
        elif kind == "zero":
            content = bytearray(len(content))
        file.unlink() if kind == "delete" else file.write_bytes(bytes(content))
        with warnings.catch_warnings(), contextlib.closing(Checkpoints(copy / "checkpoints", keep=2)) as checkpoints:
            warnings.simplefilter("ignore", RuntimeWarning)
            step, restored = checkpoints.restore(template)
        newest.append(step)
        np.testing.assert_array_equal(restored["w"], state[step]["w"])
        assert jax.random.key_data(restored["k"]).tolist() == jax.random.key_data(state[step]["k"]).tolist()
        shutil.rmtree(copy)
    assert set(newest) == {1, 2}  # some damage is noticed, and some is to files that nobody needs


# The disk is full


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def fill_the_disk(monkeypatch, at_step):
    """The checkpoint of that step can't be saved."""
    original = Checkpoints.save

    def save(self, step, state):
        if step == at_step:
            monkeypatch.setattr(self._manager, "save", full)
        original(self, step, state)

    monkeypatch.setattr(Checkpoints, "save", save)


def test_a_full_disk_is_told_of_in_a_sentence(tmp_path, monkeypatch):
    """Walk's state is 3 + 4 floats, a counter and two keys of 8 bytes: 48 bytes."""
    fill_the_disk(monkeypatch, at_step=15)
    message = (
        r"the checkpoint of step 15 could not be saved in .* \(no space left on the device\): the newest checkpoint is step 10"
        r"\. It needs more than 48 bytes: free some space, and continue with `jmeta resume`"
    )
    with pytest.raises(OSError, match=message) as caught:
        walk(tmp_path / "run", 20)
    assert "\n" not in str(caught.value)
    assert steps(tmp_path / "run") == [5, 10]
    monkeypatch.undo()
    walk(tmp_path / "run", 20, resume=True)
    walk(tmp_path / "other", 20)
    assert_same_run(tmp_path / "run", tmp_path / "other", Walk())


@pytest.mark.parametrize("kind", [logging.Logger, ABSLLogger])
def test_a_checkpoint_without_space_is_told_of_by_nothing_else(kind, tmp_path, no_file_above, monkeypatch, caplog, capfd):
    """Orbax's threads log hundreds of lines of tracebacks, after which the sentence is hard to find."""
    monkeypatch.setattr(logging.getLogger("absl"), "__class__", kind)  # plain if its logger was made before absl was imported
    state = {"w": np.random.default_rng(0).normal(size=500_000)}
    with contextlib.closing(Checkpoints(tmp_path / "run" / "checkpoints", keep=2)) as checkpoints:
        no_file_above(100_000)
        checkpoints.save(1, state)
        with pytest.raises(
            OSError, match=r"step 1 could not be saved .*: there is no checkpoint yet. It needs more than 3\.8 MiB"
        ):
            checkpoints.wait()
    assert caplog.records == []
    assert capfd.readouterr().err == ""


def test_messages_of_others_are_logged(tmp_path, caplog):
    with contextlib.closing(Checkpoints(tmp_path / "checkpoints", keep=2)):
        logging.getLogger("absl").error("not of Orbax")
    assert [record.message for record in caplog.records] == ["not of Orbax"]


def test_training_goes_on_where_told_to(tmp_path, monkeypatch, capfd):
    fill_the_disk(monkeypatch, at_step=10)
    result = walk(tmp_path / "run", 20, continue_without_checkpoints=True)
    assert result.step == 20
    assert "the checkpoint of step 10 could not be saved" in capfd.readouterr().err
    assert steps(tmp_path / "run") == [5, 15, 20]  # there was space again


# Code


def test_nothing_is_unpickled(tmp_path, monkeypatch):
    """Unpickling runs code that the file names."""
    walk(tmp_path / "run", 5)
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, lambda *_, **__: pytest.fail("unpickled"))
    assert restore(Walk(), tmp_path / "run")[0] == 5
    assert walk(tmp_path / "run", 7, resume=True).step == 7
    assert RunDirectory(tmp_path / "run").read_metrics()


@pytest.fixture
def evil(directory, tmp_path, monkeypatch) -> Path:
    """A run directory that names a module which leaves a trace when it is imported."""
    trace = tmp_path / "trace"
    code = tmp_path / "code"
    code.mkdir()
    (code / "evil_tasks.py").write_text(
        f"import pathlib\n\nimport jmeta\n\npathlib.Path({str(trace)!r}).write_text('ran')\n\n\n"
        "class Thing(jmeta.tasks.BernoulliBandit):\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(code))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    recipe = CONFIG["recipe"] | {"task": "evil_tasks:Thing"}
    directory.config_file.write_text(json.dumps(CONFIG | {"recipe": recipe}))
    return trace


@pytest.mark.parametrize("command", ["resume", "evaluate", "watch"])
def test_a_directory_runs_no_code_that_nobody_named(command, directory, evil, capsys):
    with pytest.raises(SystemExit) as caught:
        main([command, str(directory.path)])
    assert caught.value.code == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "names 'evil_tasks:Thing', so this would run the code of" in said
    assert f"{evil.parent / 'code' / 'evil_tasks.py'}: add --trust (in Python trust=True) if you trust that code" in said
    assert not evil.exists()


def test_trust_is_remembered_for_this_run_and_this_file(directory, evil, tmp_path, monkeypatch):
    learner_of(directory.path, trust=True)
    learner_of(directory.path)
    other = shutil.copytree(directory.path, tmp_path / "copy")
    with pytest.raises(ValueError, match="add --trust"):
        learner_of(other)
    recipe = CONFIG["recipe"] | {"task": "evil_tasks:Other"}
    directory.config_file.write_text(json.dumps(CONFIG | {"recipe": recipe}))
    with pytest.raises(ValueError, match="add --trust"):
        learner_of(directory.path)


def test_another_file_of_the_same_name_is_not_trusted(directory, evil, tmp_path, monkeypatch):
    learner_of(directory.path, trust=True)
    monkeypatch.delitem(__import__("sys").modules, "evil_tasks")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(tmp_path / "code" / "evil_tasks.py", elsewhere)
    monkeypatch.syspath_prepend(str(elsewhere))
    with pytest.raises(ValueError, match=f"{elsewhere}/evil_tasks.py: add --trust"):
        learner_of(directory.path)


def test_a_task_that_the_command_named_is_remembered(evil, tmp_path):
    out = tmp_path / "trained"
    options = "--hidden-size 4 --num-tasks 16 --num-epochs 1 --num-minibatches 2 --num-steps 1 --no-progress"
    with pytest.raises(SystemExit) as caught:
        main(["train", "rl2", "--task", "evil_tasks:Thing", "--task.num-pulls", "3", *options.split(), "--out", str(out)])
    assert not caught.value.code
    assert isinstance(learner_of(out)[0], type(build(learner_of(out)[1])))


def test_a_store_that_is_damaged_or_can_not_be_written_asks_again(directory, evil, tmp_path):
    store = tmp_path / "state" / "jmeta" / "trusted-runs.json"
    learner_of(directory.path, trust=True)
    store.write_text("[1, 2")
    with pytest.raises(ValueError, match="add --trust"):
        learner_of(directory.path)
    store.unlink()
    store.mkdir()
    learner_of(directory.path, trust=True)
    with pytest.raises(ValueError, match="add --trust"):
        learner_of(directory.path)
