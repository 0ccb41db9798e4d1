"""The command line, used as it is meant to be."""

import builtins
import importlib.metadata
import inspect
import json
import os
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

import jmeta as package
from jmeta import __main__ as entry
from jmeta.algorithms import ALGORITHMS
from jmeta.cli import evaluate as evaluate_cli
from jmeta.cli import training
from jmeta.cli.evaluation_table import print_evaluation
from jmeta.cli.help import headline, setting_texts
from jmeta.cli.plain import flag, plain
from jmeta.cli.train_options import TrainOptions
from jmeta.evaluation import plots
from jmeta.evaluation.evaluate import EVALUATION_FOLD
from jmeta.registry import build, recipe_of, settings
from jmeta.runs import learner_of
from jmeta.tasks import TASKS
from jmeta.training import RunDirectory, TrainResult, restore
from tests.cli.conftest import RL2

OWN_TASK = '''
"""A task of one's own."""

from __future__ import annotations

import dataclasses
from typing import Literal

from jmeta.tasks import BernoulliBandit

Mood = Literal["merry", "gloomy"]


@dataclasses.dataclass(frozen=True)
class Slots(BernoulliBandit):
    """Slot machines.

    Args:
      num_arms: how many machines stand in the hall.
      coins: what one costs, and what one pays.
      name: above the door.
      mood: of the barkeeper.
    """

    num_arms: int = 2
    coins: tuple[float, ...] = (1.0, 2.0)
    name: str = "Golden Nugget"
    mood: Mood = "merry"
'''


@pytest.fixture
def would_train(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What ``train`` was asked for, and nothing is trained."""
    asked = []

    def train(outer, key, num_steps, **options):
        asked.append({"outer": outer, "key": key, "num_steps": num_steps} | options)
        return TrainResult(None, None, num_steps, {}, None, 0.0)

    monkeypatch.setattr(training, "train", train)
    return asked


# train


def test_train_says_what_to_do_next(jmeta, tmp_path):
    out = tmp_path / "it's [bold]"  # may look like markup, and must be quoted
    said = jmeta("train", *RL2, "--recipe", "none", "--num-steps", 2, "--out", out, "--no-progress")
    assert said.status == 0
    assert said.out == ""
    assert said.err == f"""trained to step 2; next: jmeta evaluate '{tmp_path}/it'"'"'s [bold]'\n"""
    assert len(RunDirectory(out).read_metrics()) == 2


def test_settings_reach_learner_task_and_run(jmeta, would_train, tmp_path):
    said = jmeta(
        *("train", "maml", "--task.horizon", 7, "--num-tasks", 6, "--widths", 3, 2, "--inner-rates", 0.5, "--first-order"),
        *("--learning-rate", "2e-4", "--task=point-navigation", "--seed", 9, "--num-steps", 11, "--num-devices", 2),
        *("--checkpoint-every", 4, "--keep", 5, "--no-progress", "--out", tmp_path / "run", "--segment-length", 14),
    )
    assert said.status == 0
    (asked,) = would_train
    outer = asked.pop("outer")
    assert outer.tasks == package.tasks.PointNavigation(horizon=7)
    assert (outer.num_tasks, outer.learning_rate, outer.protocol.segment_length) == (6, 2e-4, 14)
    assert outer.inner.first_order
    assert outer.inner.rule.rates.tolist() == [0.5]
    assert outer.inner.init(jax.random.key(0)).weights["policy"]["linear"]["kernel"].shape == (2, 2)
    assert jax.random.key_data(asked.pop("key")).tolist() == [0, 9]
    recipe = asked.pop("recipe")
    assert (recipe.algorithm, recipe.task, recipe.task_fields) == ("maml", "point-navigation", {"horizon": 7})
    run = {"num_steps": 11, "num_devices": 2, "checkpoint_every": 4, "keep": 5, "wandb_project": None}
    run["continue_without_checkpoints"] = False
    assert asked.pop("options") == run | {"seed": 9}
    assert asked == run | {"out": tmp_path / "run", "resume": False, "progress": False, "theta": None}


def test_a_recipe_builds_the_learner_again(rl2_trained):
    """JSON has no tuples; the configuration must still be the same one."""
    config = RunDirectory(rl2_trained).read_config()
    recipe = recipe_of(config, "")
    outer = build(recipe)
    assert outer.tasks == package.tasks.BernoulliBandit(num_arms=3, num_pulls=3)
    assert restore(outer, rl2_trained)[0] == 6
    assert config["options"] == {
        "seed": 3,
        "num_steps": 6,
        "num_devices": None,
        "checkpoint_every": 2,
        "keep": 2,
        "continue_without_checkpoints": False,
        "wandb_project": None,
    }
    assert config["command"]


def test_ranges_of_gymnax_tasks(jmeta, would_train, tmp_path):
    said = jmeta(
        *("train", "rl2", "--task", "gymnax", "--task.env-id", "CartPole-v1", "--task.ranges", "length", 0.3, 0.8),
        *("masspole", 0.05, 0.2, "--task.max-steps", 5, "--hidden-size", 4, "--num-tasks", 4, "--out", tmp_path / "run"),
    )
    assert said.status == 0, said
    assert would_train[0]["outer"].tasks.ranges == (("length", (0.3, 0.8)), ("masspole", (0.05, 0.2)))


# resume


def test_resume_asks_for_what_was_asked_for_before(jmeta, would_train, rl2_run):
    assert jmeta("resume", rl2_run).status == 0
    assert jmeta("resume", rl2_run, "--num-steps", 9, "--num-devices", 1, "--no-progress").status == 0
    first, second = would_train
    run = {"num_steps": 6, "num_devices": None, "checkpoint_every": 2, "keep": 2, "wandb_project": None}
    run["continue_without_checkpoints"] = False
    assert first["options"] == run | {"seed": 3}
    assert (first["out"], first["resume"], first["progress"]) == (rl2_run, True, True)
    assert jax.random.key_data(first["key"]).tolist() == [0, 3]
    assert second["options"] == run | {"seed": 3, "num_steps": 9, "num_devices": 1}
    assert (second["num_steps"], second["num_devices"], second["progress"]) == (9, 1, False)


def test_a_resume_is_resumed_as_it_was_asked_for(jmeta, rl2_run, monkeypatch):
    """``jmeta resume DIR`` is what an interrupted run tells its user to type, whatever this one was started with."""
    asked = []

    def run(self, state, step, num_steps):
        asked.append((num_steps, self.mesh.size))
        raise OSError("power failure")

    monkeypatch.setattr("jmeta.training.engine.Engine.run", run)
    for args in (["--num-steps", 9, "--num-devices", 1], [], ["--num-steps", 10], []):
        said = jmeta("resume", rl2_run, *args)
        assert (said.status, "power failure" in said.err) == (1, True)
    assert asked == [(9, 1), (9, 1), (10, 1), (10, 1)]


# evaluate, plot


def test_from_training_to_a_plot(jmeta, rl2_run, maml_run, tmp_path):
    """evaluate --json, plot: what is printed, what is written, and that it is the evaluation of the trained agent."""
    said = jmeta("evaluate", rl2_run, "--num-tasks", 20, "--seed", 4, "--json", tmp_path / "result.json")
    assert said.status == 0, said
    result = json.loads((tmp_path / "result.json").read_text())
    name = f"held-out-step{result['outer_step']}-seed4-20tasks-1x3x1"
    kept = json.loads((rl2_run / "evaluations" / f"{name}.json").read_text())
    assert result == kept
    with np.load(rl2_run / "evaluations" / f"{name}.npz") as raw:
        assert raw["lifetime_returns"].mean() == pytest.approx(result["mean_return"], rel=1e-6)
        probabilities = raw["tasks/probabilities"]
    assert probabilities.shape == (20, 3)

    outer = build(recipe_of(RunDirectory(rl2_run).read_config(), ""))
    step, state = restore(outer, rl2_run)
    key = jax.random.fold_in(jax.random.key(4), EVALUATION_FOLD)
    expected = package.evaluate(outer.inner, outer.tasks.held_out, state.theta, key, protocol=outer.protocol, num_tasks=20)
    assert result.items() >= json.loads(json.dumps(expected.summary())).items()
    assert (result["num_tasks"], result["split"], result["seed"], result["outer_step"]) == (20, "held-out", 4, step)
    assert (len(result["episode_returns"]), len(result["segment_returns"]), result["env_steps"]) == (3, 1, [0.0, 1.0, 2.0])
    assert result["mean_return"] == pytest.approx(sum(result["episode_returns"]))
    assert result["standard_error"] > 0
    assert result["versions"]["jmeta"] == package.__version__
    assert result["device"].endswith("x cpu")
    assert result["run"] == str(rl2_run)
    # Three arms, three pulls: by enumeration 1.7833, what the task says too.
    assert result["reference"] == {"label": "Bayes optimum", "value": outer.tasks.reference_return(3).value, "per": "lifetime"}

    assert "outer step 6, 20 held-out tasks of BernoulliBandit, a lifetime = 1 segment(s) x 3 steps x 1 stream(s)" in said.out
    for episode, value in enumerate(result["episode_returns"]):
        assert f"│ {episode + 1} │ {episode} │ {value:.4f} │".replace(" ", "") in said.out.replace(" ", "")
    assert f"return of a lifetime: {result['mean_return']:.4f} ± {result['standard_error']:.4f} (s.e.)" in said.out
    assert "Bayes optimum: " in said.out
    random = result["random"]["episode_return"]
    first = result["episode_returns"][0]
    assert f"first episode: {first:.4f}, acting at random: {random:.4f} per episode" in said.out
    assert random == pytest.approx(probabilities.mean(), abs=4 * 0.5 / np.sqrt(20))  # one pull in each of those tasks
    assert "add up to" not in said.out  # the three pulls are the lifetime

    said = jmeta("plot", rl2_run, maml_run, "--out", tmp_path / "new" / "both.png")
    assert (said.status, said.out.strip()) == (0, str(tmp_path / "new" / "both.png"))
    assert (tmp_path / "new" / "both.png").read_bytes().startswith(b"\x89PNG")
    said = jmeta("plot", maml_run)  # has not been evaluated
    assert (said.status, said.out.strip()) == (0, str(maml_run / "plot.png"))


@pytest.mark.slow
def test_splits_and_longer_lifetimes(jmeta, maml_run, tmp_path):
    """Each split has tasks of its own; more segments than in training are more adaptations."""
    results = {}
    for split in ("train", "validation", "held-out", "ood"):
        file = tmp_path / f"{split}.json"
        assert jmeta("evaluate", maml_run, "--num-tasks", 7, "--split", split, "--json", file).status == 0
        results[split] = json.loads(file.read_text())
        assert results[split]["split"] == split
    returns = [result["mean_return"] for result in results.values()]
    assert len(set(returns)) == 4
    assert results["ood"]["reference"] is None or results["ood"]["reference"]["per"] == "episode"

    longer = ("--num-segments", 3, "--segment-length", 10, "--num-streams", 4)
    assert jmeta("evaluate", maml_run, "--num-tasks", 3, *longer, "--json", tmp_path / "longer.json").status == 0
    result = json.loads((tmp_path / "longer.json").read_text())
    assert result["protocol"] == {"num_segments": 3, "segment_length": 10, "num_streams": 4}
    assert (len(result["episode_returns"]), result["segment_env_steps"]) == (3 * 10 // 5, [0, 40, 80])
    step = result["outer_step"]
    assert {file.name for file in (maml_run / "evaluations").iterdir()} == {
        *(f"{split}-step{step}-seed0-7tasks-2x5x2.{kind}" for split in results for kind in ("json", "npz")),
        *(f"held-out-step{step}-seed0-3tasks-3x10x4.{kind}" for kind in ("json", "npz")),
    }


@pytest.mark.slow
def test_evaluations_are_told_apart(jmeta, rl2_run):
    """By seed, step and actions: none overwrites another, and an earlier checkpoint is another agent."""
    for arguments in ([], ["--seed", 1], ["--step", 4], ["--greedy"]):
        assert jmeta("evaluate", rl2_run, "--num-tasks", 2, *arguments).status == 0
    names = {file.stem for file in (rl2_run / "evaluations").glob("*.json")}
    assert names == {
        f"held-out-{middle}-2tasks-1x3x1{end}"
        for middle, end in (("step6-seed0", ""), ("step6-seed1", ""), ("step4-seed0", ""), ("step6-seed0", "-greedy"))
    }
    said = jmeta("evaluate", rl2_run, "--step", 5)
    assert (said.status, "step=5: there is no such checkpoint, only those of step 4, 6" in said.err) == (2, True)


def test_rows_that_do_not_add_up_say_why(capsys):
    """Two of three episodes are listed, worth 2 of the lifetime's 3."""
    result = package.evaluation.Evaluation(
        lifetime_returns=np.full(2, 3.0),
        episode_returns=np.ones((2, 2)),
        segment_returns=np.full((2, 1), 3.0),
        trajectory_returns=np.ones((2, 1)),
        episode_env_steps=np.array([0.0, 1.0]),
        segment_env_steps=np.array([0]),
        protocol=package.Protocol(1, 2, 1),
        split="held-out",
        infos={"success": np.full((2, 2), 0.25)},
    )
    print_evaluation(result, result, package.tasks.BernoulliBandit(num_pulls=2), 7)
    printed = capsys.readouterr().out
    assert "the episodes listed add up to 2.0000: episodes may end early, and only the first 2 of a segment" in printed
    assert "success" in printed
    assert "0.2500" in printed


def test_a_single_task_has_no_standard_error(jmeta, rl2_run, tmp_path):
    """Strict JSON knows no infinity."""
    assert jmeta("evaluate", rl2_run, "--num-tasks", 1, "--json", tmp_path / "one.json").status == 0

    def refuse(constant):
        raise AssertionError(constant)

    result = json.loads((tmp_path / "one.json").read_text(), parse_constant=refuse)
    assert result["standard_error"] is None
    assert jmeta("plot", rl2_run).status == 0


def test_evaluating_a_damaged_run_uses_the_last_good_checkpoint(jmeta, rl2_run, tmp_path):
    shutil.rmtree(rl2_run / "checkpoints" / "6" / "state")
    with pytest.warns(RuntimeWarning, match="checkpoint 6 is damaged"):
        assert jmeta("evaluate", rl2_run, "--num-tasks", 20, "--json", tmp_path / "result.json").status == 0
    assert json.loads((tmp_path / "result.json").read_text())["outer_step"] == 4


def test_ctrl_c_is_no_error(jmeta, rl2_run, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate_cli, "evaluate", interrupt)
    said = jmeta("evaluate", rl2_run)
    assert (said.status, said.out, said.err) == (130, "", "")


def test_the_curves(monkeypatch, tmp_path, rl2_trained):
    """Where the points lie: a learning curve, smoothed over a fiftieth of the run, and an adaptation curve with its interval."""
    from matplotlib.figure import Figure

    axes = Figure().subplots(1, 2)
    rows = [{"env_steps": 10.0 * (i + 1), "return/before": 1.0, "return/after": float(i)} for i in range(100)]
    plots.learning_curve(axes[0], rows, label="run", colour="k")
    after, before = axes[0].get_lines()
    assert after.get_xdata().tolist() == [10.0 * i for i in range(2, 101)]  # window 2
    assert after.get_ydata()[:3].tolist() == [0.5, 1.5, 2.5]
    assert set(before.get_ydata()) == {1.0}
    assert (after.get_label(), before.get_label()) == ("run, last episode", "run, first episode")

    plots.adaptation_curve(axes[1], [0, 5], [1.0, 2.0], [0.1, 0.2], label="run", colour="k")
    (line,), (band,) = axes[1].get_lines(), axes[1].collections
    assert line.get_xydata().tolist() == [[0.0, 1.0], [5.0, 2.0]]
    heights = sorted(set(np.round(band.get_paths()[0].vertices[:, 1], 3)))
    assert heights == [0.804, 1.196, 1.608, 2.392]  # 1 -+ 1.96 x 0.1 and 2 -+ 1.96 x 0.2


# help


PAIRS = [*((name, "bernoulli-bandit") for name in ALGORITHMS), *(("rl2", name) for name in TASKS)]


@pytest.mark.parametrize(
    ("algorithm", "task"), [pytest.param(*p, marks=pytest.mark.slow if i % 8 else ()) for i, p in enumerate(PAIRS)]
)
def test_help_lists_every_setting_as_its_docstring_has_it(jmeta, algorithm, task):
    said = jmeta("train", algorithm, "--task", task, "--help")
    assert said.status == 0
    for prefix, thing in (("", ALGORITHMS[algorithm]), ("task.", TASKS[task])):
        for name in settings(thing):
            assert f"--{prefix}{name.replace('_', '-')}" in said.words, name
            text = setting_texts(thing, f"--{prefix}")[name]
            assert "no description" not in text, f"{thing} does not say what {name} is"
            assert text in said.words, name
    for option in ("--seed", "--num-steps", "--out", "--resume", "--num-devices", "--checkpoint-every", "--keep"):
        assert option in said.words
    assert headline(ALGORITHMS[algorithm]) in said.words
    assert headline(TASKS[task], "--task.") in said.words
    assert "``" not in said.out


def test_help_speaks_the_language_of_the_command_line(jmeta):
    """Settings are options in it, values are as they are typed, and lines are broken by width alone."""
    text = (
        'Must divide num_tasks; see ``core="gru"``, or *all* of\n  ``rl2_es``: 3 num_tasks.\n\n    a  =  b\n\nwith greedy=False.'
    )
    said = plain(text, ("num_tasks", "core", "greedy"))
    assert said == (
        "Must divide --num-tasks; see --core gru, or all of rl2-es: 3 --num-tasks.\n\n    a  =  b\n\nwith --no-greedy."
    )
    assert plain("of ``num_arms`` arms", ("num_arms",), "--task.") == "of --task.num-arms arms"
    assert "minibatches of lifetimes in each pass; must divide --num-tasks." in jmeta("train", "rl2", "--help").words


def test_help_of_an_algorithm_needs_no_task(jmeta):
    said = jmeta("train", "rl2", "--help")
    assert said.status == 0
    assert "--hidden-size INT hidden units of the core" in said.words
    assert "bernoulli-bandit" in said.words


@pytest.mark.parametrize("command", ["train", "plan", "resume", "evaluate", "plot", "watch", "compare", "list"])
def test_every_command_has_help(jmeta, command):
    said = jmeta(command, "--help")
    assert said.status == 0
    assert f"usage: jmeta {command}" in said.words
    assert f"  {command}" in jmeta("--help").out


def test_overview_and_version(jmeta):
    assert jmeta("--help").status == 0
    assert jmeta("--help").out == jmeta().out
    assert jmeta("--version").out == f"jmeta {package.__version__}\n"


def test_list_is_one_screen(jmeta, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    said = jmeta("list")
    assert said.status == 0
    lines = said.out.splitlines()
    assert len(lines) <= len(ALGORITHMS) + len(TASKS) + 16  # titles, recipes, agents, specs and how to see more
    assert max(map(len, lines)) <= 80
    for name in ALGORITHMS | TASKS:
        assert sum(line.startswith(f"  {name} ") for line in lines) == 1
    assert " ladder, memory, navigation, " in " ".join(jmeta("list", "specs").out.split())
    assert "  maml " not in jmeta("list", "tasks").out
    assert "  bernoulli-bandit " not in jmeta("list", "algorithms").out


@pytest.mark.parametrize("name", [*ALGORITHMS, *TASKS])
def test_list_says_what_each_setting_of_one_is(jmeta, name):
    said = jmeta("list", name)
    assert said.status == 0
    prefix, thing = ("--", ALGORITHMS[name]) if name in ALGORITHMS else ("--task.", TASKS[name])
    assert headline(thing, prefix) in said.words
    for setting, text in setting_texts(thing, prefix).items():
        assert "no description" not in text
        assert f"  {flag(setting, prefix)}  (" in said.out
        assert text in said.words
    assert "``" not in said.out


def test_help_says_the_ranges_of_numbers(jmeta):
    said = jmeta("list", "rl2").words
    assert "clipped to this global norm (above 0)." in said
    assert "weight of the policy's entropy (at least 0)." in said
    assert "in [0, 1]." in said  # said once
    assert "--hidden-size (default: 64) hidden units of the core; a multiple of 8 for a transformer." in said


def test_help_is_a_command(jmeta):
    assert jmeta("help").out == jmeta("--help").out
    assert jmeta("help", "evaluate").out == jmeta("evaluate", "--help").out


def test_the_script_is_installed():
    (script,) = (point for point in importlib.metadata.entry_points(group="console_scripts") if point.name == "jmeta")
    assert script.load() is entry.main


def test_the_version_is_said_before_the_rest_is_imported(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["jmeta", "--version"])
    monkeypatch.setitem(sys.modules, "jmeta.cli.main", None)  # importing it is an error
    entry.main()
    assert capsys.readouterr().out == f"jmeta {package.__version__}\n"


def test_ctrl_c_while_importing_is_no_traceback(monkeypatch):
    original = builtins.__import__

    def interrupted(name, *rest):
        if name == "jmeta.cli.main":
            raise KeyboardInterrupt
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", interrupted)
    with pytest.raises(SystemExit) as caught:
        entry.main()
    assert caught.value.code == 130


@pytest.mark.slow
def test_as_a_module_tasks_in_the_current_directory_are_found(tmp_path):
    (tmp_path / "casino.py").write_text(OWN_TASK)
    command = [sys.executable, "-m", "jmeta", "train", "rl2", "--task", "casino:Slots", "--help"]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert process.returncode == 0, process.stderr
    assert "--task.num-arms INT" in process.stdout


def test_the_installed_script_finds_them_too(tmp_path, monkeypatch, jmeta):
    """Its sys.path begins with the script's directory, not with the current one."""
    (tmp_path / "hall.py").write_text(OWN_TASK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(tmp_path))])
    assert jmeta("train", "rl2", "--task", "hall:Slots", "--help").status == 0


@pytest.mark.slow
def test_a_run_goes_on_with_a_longer_annealing(jmeta, tmp_path):
    out = tmp_path / "run"
    short = [*RL2, "--num-steps", 2, "--anneal-steps", 2, "--no-progress", "--out", out]
    assert jmeta("train", *short).status == 0
    assert "from outer step 3 on nothing is learned" in jmeta("resume", out, "--num-steps", 3, "--no-progress").words
    said = jmeta("resume", out, "--num-steps", 4, "--anneal-steps", 8, "--no-progress")
    assert said.status == 0
    assert "nothing is learned" not in said.words
    config = RunDirectory(out).read_config()
    assert config["recipe"]["algorithm_fields"]["anneal_steps"] == 8
    assert config["learner"]["anneal_steps"] == 8


@pytest.mark.slow
def test_fine_tuning_from_a_run(jmeta, rl2_run, tmp_path):
    tuned = [*RL2, "--learning-rate", 1e-9, "--num-steps", 1, "--from", rl2_run, "--no-progress", "--out", tmp_path / "tuned"]
    assert jmeta("train", *tuned).status == 0
    (_, before), (_, after) = (restore(learner_of(run)[0], run) for run in (rl2_run, tmp_path / "tuned"))
    for a, b in zip(*map(jax.tree.leaves, (before.theta, after.theta)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


# A task of one's own


@pytest.mark.slow
def test_a_task_of_ones_own_is_found_through_pythonpath(tmp_path):
    (tmp_path / "casino.py").write_text(OWN_TASK)
    command = [sys.executable, "-m", "jmeta.cli.main", "train", "rl2", "--task", "casino:Slots", "--help"]
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=120)
    assert process.returncode == 0, process.stderr
    assert "--task.num-arms INT" in process.stdout
    assert "--task.mood {merry,gloomy}" in process.stdout
    assert "how many machines stand in the hall. (default: 2)" in process.stdout


def test_a_task_of_ones_own_is_trained_on_and_found_again(jmeta, tmp_path, monkeypatch, would_train):
    (tmp_path / "casino.py").write_text(OWN_TASK)
    monkeypatch.syspath_prepend(tmp_path)
    settings_ = ["--task.num-arms", 4, "--task.coins", 1, 2.5, 3, "--task.name", "El Rancho"]
    said = jmeta("train", "rl2", "--task", "casino:Slots", *settings_, "--num-tasks", 4, "--out", tmp_path / "run")
    assert said.status == 0, said
    tasks = would_train[0]["outer"].tasks
    assert (tasks.num_arms, tasks.coins, tasks.name) == (4, (1.0, 2.5, 3.0), "El Rancho")
    recipe = json.loads(json.dumps({"recipe": vars(would_train[0]["recipe"])}))
    assert build(recipe_of(recipe, "")).tasks == tasks


def test_no_setting_is_called_like_one_of_the_run():
    """They share one command line."""
    run = {name for name in inspect.signature(TrainOptions).parameters}
    for name, algorithm in ALGORITHMS.items():
        assert not run & settings(algorithm).keys(), name
