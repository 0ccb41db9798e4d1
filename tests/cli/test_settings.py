"""What is trained from the command line can be built again from what it wrote down."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jmeta as library
from jmeta.registry import build, check_round_trip, fields_of, from_json, recipe, recipe_of, to_json
from jmeta.training import RunDirectory
from tests.cli.conftest import Said
from tests.cli.settings_families import Derived, Limits, Loose, Perm, Rich, Side

TINY = ["--lifetime-length", 16, "--hidden-size", 4, "--num-tasks", 4, "--num-minibatches", 1, "--num-epochs", 1]


@pytest.mark.slow
def test_settings_of_every_kind_are_trained_evaluated_and_resumed(jmeta: Callable[..., Said], tmp_path: Path) -> None:
    out = tmp_path / "run"
    task = "tests.cli.settings_families:Rich"
    changed = [
        "--task.prizes.high",
        0.5,
        "--task.side",
        "RIGHT",
        "--task.doors",
        3,
        4,
        "--task.file",
        "x/y.txt",
        "--task.scale",
        2,
    ]
    said = jmeta("train", "rl2", "--task", task, *changed, *TINY, "--num-steps", 1, "--no-progress", "--out", out)
    assert said.status == 0, said.err
    tasks = build(recipe_of(RunDirectory(out).read_config(), "")).tasks
    expected = Rich(prizes=Limits(0.0, 0.5), side=Side.RIGHT, doors=frozenset({3, 4}), file=Path("x/y.txt"), scale=2.0)
    assert tasks == expected
    assert jmeta("evaluate", out, "--num-tasks", 4).status == 0
    assert jmeta("resume", out, "--num-steps", 2, "--no-progress").status == 0


def test_what_would_be_read_as_something_else_is_refused_before_training(jmeta: Callable[..., Said], tmp_path: Path) -> None:
    out = tmp_path / "run"
    said = jmeta("train", "rl2", "--task", "tests.cli.settings_families:Loose", *TINY, "--num-steps", 1, "--out", out)
    assert said.status == 2
    assert "--task.where=PosixPath('prizes.txt') would be read back from JSON as 'prizes.txt'" in said.words
    assert not out.exists()
    with pytest.raises(ValueError, match=r"another distribution \(where\): annotate"):
        check_round_trip(Loose())


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Side, Side.RIGHT),
        (Path, Path("a/b")),
        (Limits, Limits(0.25, 0.5)),
        (frozenset[int], frozenset({1, 5})),
        (tuple[Limits, ...], (Limits(), Limits(2.0, 3.0))),
        (tuple[str, Side], ("a", Side.LEFT)),
        (Limits | None, Limits()),
        (Limits | None, None),
        (Side | float, Side.LEFT),
        (Side | float, 0.5),
        (Any, ((1, 2), ("a", None))),
        (Perm, Perm.READ),
        (Perm | float, Perm.RUN),
        (Perm, Perm.READ | Perm.WRITE),
        (Perm, Perm(0)),
        (Perm | None, Perm.READ | Perm.RUN),
        (Derived, Derived(3)),
        (Derived | None, Derived(3)),
        (frozenset[int | str], frozenset({1, "a", 10})),
        (frozenset, frozenset({1, None, (2, "b")})),
    ],
)
def test_a_setting_survives_json(annotation: Any, value: Any) -> None:
    again = from_json(annotation, json.loads(json.dumps(to_json(value, "--setting"))))
    assert again == value
    assert type(again) is type(value)


def test_a_number_of_numpy_is_kept_as_a_number(tmp_path: Path) -> None:
    assert type(to_json(np.int64(4), "--setting")) is int
    outer = library.algorithms.rl2(library.tasks.BernoulliBandit(2, 3), hidden_size=4, num_tasks=np.int64(8), num_minibatches=1)
    library.train(outer, 0, 1, out=tmp_path / "run", progress=False)
    assert RunDirectory(tmp_path / "run").read_config()["learner"]


@pytest.mark.parametrize("value", [np.int64(4), np.bool_(True), np.float32(0.5)])
def test_numpy_numbers_are_written_as_python_s(value: Any) -> None:
    assert to_json(value, "--setting") == value
    assert type(to_json(value, "--setting")) in (int, bool, float)


def test_a_member_that_an_enum_does_not_have_is_named() -> None:
    with pytest.raises(ValueError, match="Side has no 'MIDDLE': choose from LEFT, RIGHT"):
        from_json(Side, "MIDDLE")
    with pytest.raises(ValueError, match="Perm has no 'SELL': choose from READ, WRITE, RUN"):
        from_json(Perm, "READ|SELL")


def test_a_setting_that_json_cannot_hold_is_named() -> None:
    with pytest.raises(ValueError, match=r"--task\.prizes\.low is a object, which JSON can't hold"):
        to_json(Limits(low=object()), "--task.prizes")  # type: ignore[arg-type]


def test_recipes_of_plain_settings_are_as_they_were() -> None:
    import dataclasses

    algorithm = dataclasses.make_dataclass("algorithm", [("hidden_size", int, 4), ("num_tasks", int, 16)])()
    task = dataclasses.make_dataclass("task", [("num_arms", int, 3), ("num_pulls", int, 4)])()
    written = recipe("rl2", algorithm, "bernoulli-bandit", task)
    assert written.algorithm_fields == fields_of(algorithm)
    assert written.task_fields == fields_of(task)


def test_a_module_that_imports_what_is_missing_keeps_its_traceback(
    jmeta: Callable[..., Said], tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / "half_a_family.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    said = jmeta("check", "half_a_family:Family")
    assert said.status == 1
    assert "in your own code" in said.words
    assert "half_a_family.py, line 1" in said.words
    missing = jmeta("check", "no_such_family:Family")
    assert missing.status == 2
    assert "is its module on PYTHONPATH?" in missing.words
    assert "Traceback" not in missing.err
