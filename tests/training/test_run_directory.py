"""A run directory: never overwritten, refused with a reason where it can't be used, continued only as what it was."""

import dataclasses
import importlib.util
import json
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jmeta
from jmeta.training import Recipe, RunDirectory, restore
from jmeta.training.formats import FORMAT
from jmeta.training.provenance import describe, differences, git_commit, versions
from jmeta.types import Protocol
from tests.training.walk import KEY, Walk, steps, walk


class Untraceable(Walk):
    """Fails the test if training comes as far as its first step."""

    def step(self, state, key):
        raise AssertionError("compiled, or began to")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "run"
    walk(out, 10)
    return out


def content(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def edit_config(run: Path, **changes: object) -> None:
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | changes))


def test_what_a_run_leaves_behind(trained):
    assert {path.name for path in trained.iterdir()} == {".lock", "config.json", "metrics.jsonl", "tensorboard", "checkpoints"}
    config = RunDirectory(trained).read_config()
    assert config["format"] == FORMAT
    assert config["recipe"] is None
    assert config["learner"]["learning_rate"] == 0.1
    assert config["learner"]["theta"] == {"other": "float32[2, 2]", "position": "float32[3]"}
    assert config["key"] == np.asarray(jax.random.key_data(KEY)).tolist()
    assert config["versions"]["jmeta"] == jmeta.__version__
    assert config["versions"]["jax"] == jax.__version__
    assert config["device"].endswith("x cpu")


# New runs


def test_an_existing_run_is_never_overwritten(run):
    before = content(run)
    with pytest.raises(FileExistsError, match=r"is never overwritten: choose another directory, or continue .* `jmeta resume`"):
        walk(run, outer=Untraceable())
    assert content(run) == before


def test_nor_any_other_directory_or_file(tmp_path):
    directory, file = tmp_path / "thesis", tmp_path / "notes.txt"
    directory.mkdir()
    (directory / "chapter.tex").write_text("words")
    file.write_text("more words")
    for path in (directory, file):
        with pytest.raises(FileExistsError, match="is never overwritten"):
            walk(path, outer=Untraceable())
    assert content(tmp_path) == {"thesis/chapter.tex": b"words", "notes.txt": b"more words"}


def test_an_empty_directory_will_do_and_parents_are_made(tmp_path):
    (tmp_path / "empty").mkdir()
    for out in (tmp_path / "empty", tmp_path / "a" / "b" / "run"):
        walk(out, 5)
        assert steps(out) == [5]


def test_without_permission(tmp_path, monkeypatch):
    """Nobody should learn that after an hour of training."""
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "run", Path("/proc/jmeta/run")):
        with pytest.raises(OSError, match=f"can't write to {out}: .*; choose another directory"):
            walk(out, outer=Untraceable())

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(OSError, match=r"can't write to .*run: Permission denied; choose another directory"):
        walk(tmp_path / "run", outer=Untraceable())


def test_without_space(tmp_path, run, monkeypatch):
    """Walk's state is 3 + 4 floats, a counter and two keys of 8 bytes: 48 bytes, times keep=3 and the one being written."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=4 * 48 - 1))
    for options in ({"out": tmp_path / "new"}, {"out": run, "resume": True}):
        with pytest.raises(OSError, match=r"need 192 bytes but .* has 191 bytes free: free some space, keep fewer"):
            walk(num_steps=20, outer=Untraceable() if "resume" not in options else None, **options)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=4 * 48))
    walk(tmp_path / "new", 1)


def test_a_missing_extra_leaves_nothing_behind(tmp_path, monkeypatch):
    """A directory made in vain would be refused at the next try."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'jmeta\[wandb\]'"):
        walk(tmp_path / "run", outer=Untraceable(), wandb_project="mine")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("setting", ["num_steps", "checkpoint_every", "keep"])
@pytest.mark.parametrize("value", [0, -3])
def test_counts_are_positive(setting, value, tmp_path):
    with pytest.raises(ValueError, match=f"{setting}={value}: it must be at least 1"):
        walk(tmp_path / "run", outer=Untraceable(), **{setting: value})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, KEY, 3), "outer=None is no outer learner: give one, such as jmeta.algorithms.rl2"),
        ((Walk, KEY, 3), "is no outer learner"),
        ((Walk(), KEY, 3.0), r"num_steps=3\.0: it must be a whole number"),
        ((Walk(), KEY, "3"), "num_steps='3': it must be a whole number"),
        ((Walk(), KEY, True), "num_steps=True: it must be a whole number"),
        ((Walk(), "0", 3), "key='0' is no key"),
    ],
    ids=str,
)
def test_arguments_of_another_kind_are_refused(arguments, message):
    with pytest.raises(TypeError, match=message):
        jmeta.train(*arguments, progress=False)


@pytest.mark.parametrize("num_devices", ["a", 1.0, True])
def test_a_number_of_devices_is_a_whole_one(num_devices):
    with pytest.raises(TypeError, match=f"num_devices={num_devices!r}: give a whole number from 1 to "):
        walk(num_steps=1, num_devices=num_devices)


def test_what_is_restored_is_a_learner_in_a_directory():
    with pytest.raises(TypeError, match=r"the learner comes first: write restore\(outer, out\)"):
        restore("runs/x", Walk())
    with pytest.raises(TypeError, match="outer='rl2' is no outer learner: give that of the run"):
        restore("rl2", "runs/x")
    with pytest.raises(TypeError, match="out=3: give a directory, such as 'runs/mine'"):
        restore(Walk(), 3)
    with pytest.raises(TypeError, match="run=3: give a directory, such as 'runs/mine'"):
        jmeta.load(3)


# Continued runs


def test_what_is_no_run_is_not_continued(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "empty", tmp_path / "file", tmp_path / "missing"):
        with pytest.raises(FileNotFoundError, match=f"{path} is not a run directory: it has no config.json"):
            walk(path, resume=True)
    with pytest.raises(ValueError, match="resume=True needs out=DIR"):
        walk(resume=True)


def test_another_configuration_is_refused_by_name(run):
    before = content(run)
    other = Walk(learning_rate=0.25, num_tasks=8)
    with pytest.raises(ValueError, match="was run with another configuration") as caught:
        walk(run, outer=other, key=jax.random.key(6), resume=True)
    message = str(caught.value)
    assert "learner.learning_rate: was 0.1, now 0.25" in message
    assert "learner.num_tasks: was 4, now 8" in message
    assert "key: was [0, 5], now [0, 6]" in message
    assert len(message.splitlines()) == 5  # those three and no more, between what is wrong and what to do
    assert content(run) == before


def test_fewer_steps_than_there_are_is_refused(run):
    before = content(run)
    with pytest.raises(ValueError, match=f"num_steps=9, but {run} is already at step 10: ask for more"):
        walk(run, 9, resume=True)
    assert content(run) == before
    assert walk(run, 10, resume=True).metrics == {}  # there already


def test_a_run_that_another_process_is_training_is_left_alone(run):
    with RunDirectory(run).lock(), pytest.raises(ValueError, match=f"another process is training in {run}: wait for it"):
        walk(run, 12, resume=True)
    assert walk(run, 12, resume=True).step == 12


def test_a_newer_format_asks_for_an_upgrade(run):
    edit_config(run, format=FORMAT + 1, versions={"jmeta": "7.0"})
    with pytest.raises(ValueError, match=rf"written by jmeta 7\.0 in format {FORMAT + 1}; .* up to {FORMAT}: upgrade jmeta"):
        walk(run, 20, resume=True)


@pytest.mark.parametrize(
    "damaged", ["", '{"format": 1, "rec', "[1, 2]", "null", "\x00" * 50, '{"versions": {}}', '{"format": 1}']
)
def test_a_damaged_config_says_so(damaged, run):
    (run / "config.json").write_text(damaged)
    with pytest.raises(ValueError, match=r"config\.json is damaged .*: restore it from a copy"):
        walk(run, 20, resume=True)
    (run / "config.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"config\.json is damaged"):
        walk(run, 20, resume=True)


def test_a_resume_is_recorded(run):
    """With it the options, so that a later ``jmeta resume`` asks for what was asked for last."""
    walk(run, 12, resume=True, options={"num_steps": 12})
    walk(run, 13, resume=True)
    config = RunDirectory(run).read_config()
    assert config["resumed_with"] == [versions(), versions()]
    assert config["options"] == {"num_steps": 12}


def test_a_run_killed_before_its_first_checkpoint_begins_anew(run, tmp_path):
    shutil.rmtree(run / "checkpoints")
    walk(run, 12, resume=True)
    walk(tmp_path / "other", 12)
    assert (run / "metrics.jsonl").read_text() == (tmp_path / "other" / "metrics.jsonl").read_text()


@pytest.mark.parametrize("tail", ['{"step": 11, "env_st', "\x00\x00\x00", '{"step": 11}\n{"st'])
def test_a_line_of_metrics_cut_in_half_is_dropped(tail, run, tmp_path):
    metrics = run / "metrics.jsonl"
    with metrics.open("a") as file:
        file.write(tail)
    assert len(RunDirectory(run).read_metrics()) == 10 + tail.count("\n")
    walk(run, 12, resume=True)
    walk(tmp_path / "other", 12)
    assert metrics.read_text() == (tmp_path / "other" / "metrics.jsonl").read_text()


def test_recipes_are_recorded(tmp_path):
    recipe = Recipe("walk", {"rate": 0.1}, "nowhere", {"sizes": (1, 2)})
    walk(tmp_path / "run", 5, recipe=recipe, options={"seed": 3})
    config = RunDirectory(tmp_path / "run").read_config()
    assert config["recipe"] == json.loads(json.dumps(dataclasses.asdict(recipe)))
    assert config["options"] == {"seed": 3}


# Descriptions


def test_differences():
    old = {"a": 1, "b": {"c": [1, 2], "d": None}, "e": 0}
    assert differences(old, old) == []
    assert differences(old, {"a": 2, "b": {"c": [1, 3], "d": None}, "f": 0}) == [
        "a: was 1, now 2",
        "b.c: was [1, 2], now [1, 3]",
        "e: was 0, now None",
        "f: was None, now 0",
    ]


def test_descriptions_survive_json_and_tell_settings_apart():
    tasks = jmeta.tasks.BernoulliBandit(num_arms=2)
    learner = jmeta.algorithms.rl2(tasks, hidden_size=4, num_tasks=4, learning_rate=0.001)
    described = describe(learner)
    assert json.loads(json.dumps(described)) == described
    assert describe(jmeta.algorithms.rl2(tasks, hidden_size=4, num_tasks=4, learning_rate=0.001)) == described
    for other, changed in (
        (jmeta.algorithms.rl2(tasks, hidden_size=5, num_tasks=4), "theta.core/inputs/bias: was float32[12], now float32[15]"),
        (jmeta.algorithms.rl2(tasks, hidden_size=4, num_tasks=4, gae_lambda=0.5), "credit.gae_lambda: was 0.95, now 0.5"),
        (learner.replace(optimizer=partial(optax.adam, eps=1e-3)), "optimizer.eps: was 1e-05, now 0.001"),
        (learner.replace(optimizer=optax.sgd), "optimizer"),
        (learner.replace(protocol=Protocol(1, 20, 1)), "protocol.segment_length: was 10, now 20"),
        (learner.replace(learning_rate=jnp.float32(0.5)), "learning_rate: was 0.001, now 0.5"),
    ):
        lines = differences(described, describe(other))
        assert any(line.startswith(changed) for line in lines), lines


def test_the_commit_is_of_jmeta_or_of_nothing(monkeypatch, tmp_path):
    """A virtual environment may lie in the checkout of somebody's own project."""
    commit = git_commit()
    assert commit is None or len(commit.removesuffix("-dirty")) == 40
    package = tmp_path / "venv" / "jmeta" / "training"
    package.mkdir(parents=True)
    module = package / "provenance.py"
    module.write_text("")
    import subprocess

    for command in (["init", "-q"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "mine"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.setattr("jmeta.training.provenance.__file__", str(module))
    assert git_commit() is None
