"""An algorithm of the user's own is trained, resumed, evaluated and compared by name; and runs are opened from Python."""

import json
import sys
from pathlib import Path

import chex
import jax
import numpy as np
import pytest

import jmeta as library
from jmeta.cli.help import by_heading, setting_texts
from jmeta.registry import find_algorithm
from jmeta.runs import opened_run
from jmeta.tasks import BernoulliBandit
from tests.cli.own_algorithms import Doubtful, doubtful_rl2
from tests.cli.own_settings import Network, nested
from tests.cli.settings_families import Slots

NAME = "tests.cli.own_algorithms:doubtful_rl2"
TRAIN = f"train {NAME} --task bernoulli-bandit --task.num-pulls 3 --units 5 --learning-rate 0.002 --no-progress".split()
SPEC = f"""
name = "own"
seeds = 1
env_steps = 100
num_test_tasks = 8

[tasks.bandit]
task = "bernoulli-bandit"
num_pulls = 3

[algorithms.mine]
algorithm = "{NAME}"
units = 5
learning_rate = [1e-3, 2e-3]
"""


@pytest.mark.slow
def test_it_is_trained_resumed_evaluated_watched_and_opened(jmeta, tmp_path):
    out = tmp_path / "run"
    assert jmeta(*TRAIN, "--num-steps", 2, "--out", out).status == 0
    said = jmeta("resume", out, "--num-steps", 3, "--no-progress")
    assert said.status == 0, said.err
    assert jmeta("evaluate", out, "--num-tasks", 8, "--no-progress").status == 0
    opened = library.load(out)
    assert isinstance(opened.outer, Doubtful)
    assert (opened.step, opened.outer.num_tasks, opened.tasks) == (3, 16, BernoulliBandit(num_pulls=3))
    assert opened.config["recipe"]["algorithm"] == NAME
    result = library.evaluate(opened.inner, opened.tasks.held_out, opened.theta, 0, protocol=opened.protocol, num_tasks=8)
    assert np.isfinite(result.mean_return)
    assert library.load(out, step=2).step == 2


def test_help_lists_its_settings(jmeta):
    said = jmeta("train", NAME, "--task", "bernoulli-bandit", "--help")
    assert "RL² as somebody else might write it." in said.words
    assert "--units" in said.words
    assert "of the GRU." in said.words


def test_list_describes_it_as_it_does_ours(jmeta):
    said = jmeta("list", NAME)
    assert said.status == 0
    assert "RL² as somebody else might write it." in said.words
    assert f"settings, as options of `jmeta train {NAME}`: doubtful_rl2 options --units (default: 4) of the GRU." in said.words
    assert jmeta("help", NAME).out == said.out


def test_list_describes_a_task_family_of_ones_own(jmeta):
    said = jmeta("list", "tests.cli.settings_families:Rich")
    assert said.status == 0
    assert "Corridors with settings of every kind." in said.words
    assert "settings, as options of `jmeta train ALGORITHM --task tests.cli.settings_families:Rich`: task options" in said.words
    assert "--task.side (default: Side.LEFT) (no description: add it under Attributes in the docstring of Rich)" in said.words
    corridors = jmeta("list", "tests.tasks.broken_families:SixValues")  # without settings
    assert corridors.out == "tests.tasks.broken_families:SixValues\n\nA sound family.\n"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nowhere:f", "can't find the algorithm or task 'nowhere:f': No module named 'nowhere'"),
        ("tests.cli.own_algorithms:doubtful", "did you mean 'doubtful_rl2'?"),
        ("tests.cli.own_algorithms:NUMBER", "is not a function: give one that takes a task distribution"),
        ("json:JSONDecoder", "'json:JSONDecoder' is not a TaskDistribution"),
    ],
)
def test_list_says_why_it_can_not_describe_something(jmeta, name, says):
    said = jmeta("list", name)
    assert said.status == 2
    assert says in said.words


def test_settings_stand_under_the_same_headings_in_list_and_in_help(jmeta):
    """Those of the user's own code stand under the name of the algorithm, those of jmeta by what declares them."""
    headings = by_heading(nested)
    assert headings["nested"] == ["core_network", "head_network", "speed", "patience"]
    assert "hidden_size" in headings["agent"]
    assert {"num_tasks", "learning_rate"} <= set(headings["training"])  # though ``nested`` changes the default of the first
    assert by_heading(doubtful_rl2) == {"doubtful_rl2": ["units", "learning_rate"]}
    for name in ("rl2", "tests.cli.own_settings:nested"):
        helped, sections = jmeta("train", name, "--help").words, jmeta("list", name).out.split(" options\n")
        titles = [section.split("\n")[-1] for section in sections[:-1]]
        assert titles == list(by_heading(find_algorithm(name)))
        for title, section in zip(titles, sections[1:], strict=True):
            assert f"{title} options" in helped
            for setting in by_heading(find_algorithm(name))[title]:
                assert f"\n  --{setting.replace('_', '-')}  (" in section, setting


def test_a_setting_without_a_description_says_where_to_add_it(jmeta):
    for name, missing, place in (
        ("tests.cli.own_settings:silent", "silent", "Attributes in the docstring of SilentSettings"),
        ("tests.cli.own_algorithms:undocumented", "undocumented", "Args in the docstring of undocumented"),
    ):
        for said in (jmeta("list", name), jmeta("train", name, "--help")):
            assert f"(no description: add a docstring to {missing})" in said.words
            assert f"(no description: add it under {place})" in said.words
    texts = setting_texts(Slots, "--task.")
    assert texts["num_arms"] == "machines in the hall."
    assert texts["num_pulls"] == setting_texts(BernoulliBandit, "--task.")["num_pulls"]


@pytest.mark.slow
def test_settings_that_are_dataclasses_have_options_of_their_own(jmeta, tmp_path):
    out = tmp_path / "run"
    given = "--core-network.width 5 --head-network.width 3 --head-network.depth 2 --speed fast --no-progress --num-steps 1"
    name = "tests.cli.own_settings:nested"
    said = jmeta("train", name, "--task", "bernoulli-bandit", "--task.num-pulls", 3, *given.split(), "--out", out)
    assert said.status == 0, said.err
    fields = library.load(out).config["recipe"]["algorithm_fields"]
    assert (fields["core_network"], fields["head_network"]) == ({"width": 5, "depth": 1}, {"width": 3, "depth": 2})
    expected = nested(BernoulliBandit(num_pulls=3), core_network=Network(5), head_network=Network(3, 2))
    chex.assert_trees_all_equal_shapes(library.load(out).state.theta, expected.inner.init(jax.random.key(0)))
    said = jmeta("train", name, "--task", "bernoulli-bandit", "--help")
    for heading in ("run options", "nested options", "agent options", "training options", "task options", "core_network options"):
        assert heading in said.words, heading


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"speed": "fsat"}, "speed='fsat': choose from slow, fast"),
        ({"patience": 0}, "patience=0: give a whole number of at least 1"),
    ],
)
def test_types_written_as_strings_are_checked(given, says):
    with pytest.raises(ValueError, match=says):
        nested(BernoulliBandit(), **given)


@pytest.mark.slow
def test_it_is_compared(jmeta, tmp_path):
    spec = tmp_path / "own.toml"
    spec.write_text(SPEC)
    said = jmeta("compare", spec, "--out", tmp_path / "out")
    assert said.status == 0, said.err
    result = json.loads((tmp_path / "out" / "cells" / "bandit" / "mine" / "result.json").read_text())
    assert len(result["variants"]) == 2


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("nothing_there", "own_algorithms.py has no 'nothing_there'"),
        ("NUMBER", "is not a function: give one that takes a task distribution"),
        ("unknown_settings", r"takes \*\*settings: Any: list its settings one by one"),
        ("untyped", "the setting 'units' of .*untyped' has no type: write units: int, say"),
        ("without_tasks", "must take the task distribution first, under the name 'tasks'"),
    ],
)
def test_what_can_not_be_used_says_why(function, message):
    with pytest.raises(ValueError, match=message):
        find_algorithm(f"tests.cli.own_algorithms:{function}")


def test_no_module_and_no_outer_learner(jmeta, tmp_path):
    with pytest.raises(ValueError, match=r"can't find the algorithm 'nowhere:f': No module named 'nowhere'; is its module on"):
        find_algorithm("nowhere:f")
    name = "tests.cli.own_algorithms:returns_nothing"
    said = jmeta("train", name, "--task", "bernoulli-bandit", "--num-steps", 1, "--out", tmp_path / "run")
    assert said.status != 0
    assert f"{name} returned None, which is no outer learner" in said.words


def test_a_directory_that_names_an_algorithm_is_not_trusted_by_itself(jmeta, tmp_path, monkeypatch):
    out = tmp_path / "run"
    assert jmeta(*TRAIN, "--num-steps", 1, "--out", out).status == 0
    moved = out.rename(tmp_path / "moved")
    assert "add --trust" in jmeta("evaluate", moved).words
    with pytest.raises(ValueError, match=r"own_algorithms|tests.*: add --trust \(in Python trust=True\)"):
        library.load(moved)
    with pytest.raises(ValueError, match="add --trust"):
        opened_run(moved, named=["tests.cli.own_algorithms:another"])
    assert opened_run(moved, named=[NAME]).step == 1  # as --from opens it for a command that names the same code
    moved = moved.rename(tmp_path / "moved-again")
    assert library.load(moved, trust=True).step == 1
    assert library.load(moved).step == 1  # remembered


@pytest.mark.slow
def test_runs_of_python_are_opened_with_their_learner(tmp_path):
    outer = doubtful_rl2(BernoulliBandit(num_pulls=3))
    trained = library.train(outer, 0, 1, out=tmp_path / "run", progress=False)
    opened = library.load(str(tmp_path / "run"), outer=outer)
    chex.assert_trees_all_equal(opened.theta, jax.device_get(trained.theta))
    with pytest.raises(ValueError, match="was started from Python"):
        library.load(tmp_path / "run")
    with pytest.raises(FileNotFoundError):
        library.load(Path(sys.prefix) / "no-such-run")
