"""The command line, used otherwise: what is wrong, what would be right, and an exit status, never a traceback."""

import json
import shutil

import pytest

from jmeta.training import RunDirectory
from tests.cli.conftest import MAML, RL2
from tests.training.walk import walk

USAGE, FAILURE = 2, 1
BANDIT = ("rl2", "--task", "bernoulli-bandit", "--num-tasks", "16")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["trian"],
            "no command is called 'trian'; did you mean 'train'? There are: act, check, compare, evaluate",
        ),
        (["xyz"], "no command is called 'xyz'; there are: act, check, compare, evaluate"),
        (["train"], "which algorithm? usage: jmeta train ALGORITHM --task TASK"),
        (["train", "--task", "bernoulli-bandit"], "which algorithm?"),
        (
            ["train", "rl3", "--task", "bernoulli-bandit"],
            "no algorithm is called 'rl3'; did you mean 'rl2'? There are: anil, average, cavia",
        ),
        (["train", "rl2"], "which task? usage: jmeta train ALGORITHM --task TASK"),
        (["train", "rl2", "--task"], "which task?"),
        (["train", "rl2", "--task", "bernuli-bandit"], "no task is called 'bernuli-bandit'; did you mean 'bernoulli-bandit'?"),
        (["train", "rl2", "--task", "nowhere:Task"], "can't find the task 'nowhere:Task': No module named 'nowhere'"),
        (["train", "rl2", "--task", "jmeta.tasks:Xyz"], "__init__.py has no 'Xyz'; is another 'jmeta.tasks' on PYTHONPATH?"),
        (["train", "rl2", "--task", "jmeta.tasks:cartpole"], "has no 'cartpole'; did you mean 'CartPole'? Or is another"),
        (["train", "rl2", "--task", "./my/own.py:Tasks"], "names a file: run jmeta from its directory, with own:Tasks"),
        (["train", "rl2", "--task", "own.py:Tasks"], "names a file: run jmeta from its directory, with own:Tasks"),
        (["train", "rl2", "--task", ":Tasks"], "no task is called ':Tasks': one of your own is module:Class"),
        (["train", "rl2", "--task", "json:"], "no task is called 'json:': one of your own is module:Class"),
        (["train", "rl2", "--task", "my_module"], "no task is called 'my_module'; there are: acrobot"),
        (["train", "rl2", "--task", "navigation"], "did you mean 'point-navigation' or 'sparse-point-navigation'? There are"),
        (["train", *BANDIT, "--num-devices", "0"], "num_devices=0: give a whole number from 1 to"),
        (["train", "rl2", "--task", "json:JSONDecoder"], "'json:JSONDecoder' is not a TaskDistribution: subclass"),
        (["train", *BANDIT, "--hiden-size", "3"], "Perhaps you meant: --hidden-size INT hidden units of the core"),
        (["train", *BANDIT, "--task.num-arm", "3"], "Perhaps you meant: --task.num-arms INT"),
        (["train", *BANDIT, "--chekpoint-every", "3"], "Perhaps you meant: --checkpoint-every INT"),
        (["train", *BANDIT, "--hidden-size", "three"], "Error parsing --hidden-size"),
        (["train", *BANDIT, "--task.num-arms"], "--task.num-arms"),
        (["train", *BANDIT, "--task.num-arms", "1"], "num_arms=1: a bandit needs at least 2 arms"),
        (["train", *BANDIT, "--num-minibatches", "3"], "num_tasks=16 can't be split evenly over 1 device(s) x 3 minibatch(es)"),
        (["train", *BANDIT, "--num-epochs", "-1"], "num_epochs=-1: give a whole number of at least 1"),
        (["train", *BANDIT, "--num-steps", "-5"], "num_steps=-5: it must be at least 1"),
        (["train", *BANDIT, "--checkpoint-every", "0"], "checkpoint_every=0: it must be at least 1"),
        (["train", *BANDIT, "--keep", "0"], "keep=0: it must be at least 1"),
        (["train", *BANDIT, "--seed", "-1"], "error: seed=-1: give a whole number from 0 to 4294967295"),
        (["train", *BANDIT, "--seed", "12345678901234567890"], "error: seed=12345678901234567890: give a whole number"),
        (["train", *BANDIT, "--num-devices", "99"], "num_devices=99, but this process has"),
        (["train", *MAML, "--segment-length", "7"], "segment_length=7 is not a whole number of episodes of 5 steps"),
        (["train", *MAML, "--segment-length", "8"], "use 10, or change the task's horizon"),
        (["train", *MAML, "--num-inner-steps", "0"], "num_inner_steps=0: give a whole number of at least 1"),
        (["train", *BANDIT, "--learning-rate", "-1e-3"], "learning_rate=-0.001: give a number above 0, such as 0.003"),
        (["train", *BANDIT, "--discount", "99"], "discount=99.0: give a number from 0 to 1, such as 0.99"),
        (["train", *MAML, "--num-streams", "-2"], "num_streams=-2: give a whole number of at least 1"),
        (["train", *MAML, "--num-tasks", "0"], "num_tasks=0"),
        (["check"], "which task? usage: jmeta check TASK [--FIELD value]; TASK is a name or"),
        (["check", "--num-arms", "3"], "There are: acrobot, bernoulli-bandit"),
        (["resume"], "Missing from jmeta resume"),
        (["resume", "somewhere", "--num-step", "3"], "Perhaps you meant: --num-steps"),
        (["evaluate"], "Missing from jmeta evaluate"),
        (["evaluate", "somewhere", "--num-task", "3"], "Perhaps you meant: --num-tasks"),
        (["evaluate", "somewhere", "--split", "test"], "Expected one of ('train', 'validation', 'held-out', 'ood')"),
        (["plot"], "which runs? usage: jmeta plot DIR"),
        (["list", "task"], "nothing is called 'task'; did you mean 'tasks'?"),
        (["list", "RL2"], "nothing is called 'RL2'; did you mean 'rl2'?"),
        (["help", "trian"], "no command is called 'trian'; did you mean 'train'?"),
        (["train", "RL2", "--task", "bernoulli-bandit"], "no algorithm is called 'RL2'; did you mean 'rl2'?"),
        (["train", "ppo", "--task", "bernoulli-bandit"], "no algorithm is called 'ppo'; did you mean 'average' or 'rl2'?"),
        (["train", "rl2", "--task", "BernoulliBandit"], "no task is called 'BernoulliBandit'; did you mean 'bernoulli-bandit'?"),
        (["train", *BANDIT, "--lr", "1e-3"], "no option is called '--lr'; did you mean --learning-rate? `jmeta list rl2`"),
        (["train", *BANDIT, "--gamma=0.9"], "no option is called '--gamma'; did you mean --discount?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_usage(jmeta, tmp_path, monkeypatch, args, message):
    """Status 2, and not a file written."""
    monkeypatch.chdir(tmp_path)
    out = ["--out", "run"] if args[0] == "train" and len(args) > 1 else []
    said = jmeta(*args, *out)
    assert said.status == USAGE
    assert message in said.words
    assert list(tmp_path.iterdir()) == []


def test_without_out(jmeta):
    said = jmeta("train", *BANDIT)
    assert said.status == USAGE
    assert "--out PATH run directory; must not exist yet, unless --resume (required)" in said.words


def test_an_existing_directory(jmeta, rl2_run):
    before = {path: path.read_bytes() for path in rl2_run.rglob("*") if path.is_file()}
    said = jmeta("train", *RL2, "--out", rl2_run)
    assert said.status == FAILURE
    assert f"error: {rl2_run} exists and is never overwritten" in said.words
    assert "jmeta resume" in said.words
    assert {path: path.read_bytes() for path in rl2_run.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("command", ["resume", "evaluate", "plot"])
def test_what_is_no_run(jmeta, tmp_path, command):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "file", tmp_path / "empty", tmp_path / "missing"):
        said = jmeta(command, path)
        assert said.status == FAILURE
        assert f"{path} is not a run directory: it has no config.json" in said.words
    assert list((tmp_path / "empty").iterdir()) == []


def test_the_directory_above_or_below_a_run(jmeta, rl2_run):
    said = jmeta("evaluate", rl2_run / "checkpoints")
    assert f"has no config.json; {rl2_run} is one" in said.words
    said = jmeta("evaluate", rl2_run.parent)
    assert f"has no config.json; there are runs in it, such as {rl2_run}" in said.words


@pytest.mark.parametrize("command", ["resume", "evaluate", "plot"])
def test_a_damaged_or_newer_config(jmeta, rl2_run, command):
    config = (rl2_run / "config.json").read_text()
    (rl2_run / "config.json").write_text(config[:50])
    said = jmeta(command, rl2_run)
    assert (said.status, "config.json is damaged" in said.words) == (USAGE, True)
    (rl2_run / "config.json").write_text(json.dumps(json.loads(config) | {"format": 99}))
    said = jmeta(command, rl2_run)
    assert (said.status, "upgrade jmeta" in said.words) == (USAGE, True)


def test_a_resume_with_other_settings(jmeta, rl2_run):
    said = jmeta("train", *RL2, "--learning-rate", 0.5, "--seed", 4, "--out", rl2_run, "--resume")
    assert said.status == USAGE
    assert "learner.learning_rate: was 0.001, now 0.5" in said.words
    assert "key: was [0, 3], now [0, 4]" in said.words


@pytest.mark.parametrize(
    ("num_steps", "message"), [(5, "is already at step 6: ask for more"), (0, "at least 1"), (-1, "at least 1")]
)
def test_a_resume_with_fewer_steps(jmeta, rl2_run, num_steps, message):
    said = jmeta("resume", rl2_run, "--num-steps", num_steps)
    assert said.status == USAGE
    assert f"num_steps={num_steps}" in said.words
    assert message in said.words
    assert RunDirectory(rl2_run).read_config()["options"]["num_steps"] == 6  # and is not remembered


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--split", "ood"], "BernoulliBandit has no out-of-distribution tasks: evaluate on the held-out split instead"),
        (["--num-tasks", "0"], "num_tasks=0: it must be at least 1"),
        (["--num-tasks", "-5"], "num_tasks=-5: it must be at least 1"),
        (["--num-segments", "0"], "num_segments=0: it must be at least 1"),
        (["--json", "missing/result.json"], "--json missing/result.json: there is no directory missing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_evaluations_that_can_not_be(jmeta, rl2_run, args, message):
    said = jmeta("evaluate", rl2_run, *args)
    assert said.status == USAGE
    assert message in said.words
    assert not (rl2_run / "evaluations").exists()


@pytest.mark.slow
def test_evaluating_segments_that_do_not_fit_the_horizon(jmeta, maml_run):
    said = jmeta("evaluate", maml_run, "--segment-length", 12)
    assert said.status == USAGE
    assert "segment_length=12 is not a whole number of episodes of 5 steps (PointNavigation)" in said.words
    assert "use 10" in said.words


def test_evaluating_before_the_first_checkpoint(jmeta, rl2_run):
    shutil.rmtree(rl2_run / "checkpoints")
    said = jmeta("evaluate", rl2_run)
    assert said.status == FAILURE
    assert f"{rl2_run} has no checkpoint yet" in said.words


@pytest.mark.filterwarnings("ignore:checkpoint .* is damaged:RuntimeWarning")
@pytest.mark.parametrize("command", ["evaluate", "resume"])
def test_all_checkpoints_damaged(jmeta, rl2_run, command):
    for checkpoint in (rl2_run / "checkpoints").iterdir():
        shutil.rmtree(checkpoint / "state")
    said = jmeta(command, rl2_run)
    assert said.status == FAILURE
    assert "all checkpoints of this run are damaged" in said.words


def test_plotting_before_the_first_step(jmeta, rl2_run):
    (rl2_run / "metrics.jsonl").unlink()
    said = jmeta("plot", rl2_run)
    assert said.status == USAGE
    assert f"{rl2_run} has no metrics to plot yet" in said.words


def test_plotting_where_nothing_can_be_written(jmeta, rl2_run, tmp_path):
    (tmp_path / "file").write_text("")
    said = jmeta("plot", rl2_run, "--out", tmp_path / "file" / "plot.png")
    assert said.status == FAILURE
    assert "error:" in said.err


@pytest.mark.parametrize("command", ["resume", "evaluate"])
def test_a_run_started_from_python(jmeta, tmp_path, command):
    walk(tmp_path / "run", 5)
    said = jmeta(command, tmp_path / "run")
    assert said.status == USAGE
    assert "was started from Python, so only Python knows how to build its learner" in said.words
    assert "use jmeta.load(DIR, outer=outer) in Python" in said.words


def test_a_missing_task_module_of_a_run(jmeta, rl2_run):
    """The run was started where the module was on PYTHONPATH, and is evaluated elsewhere."""
    config = json.loads((rl2_run / "config.json").read_text())
    config["recipe"]["task"] = "night_club:Slots"
    (rl2_run / "config.json").write_text(json.dumps(config))
    said = jmeta("evaluate", rl2_run)
    assert said.status == USAGE
    assert "Python does not find the module 'night_club': run this from the directory of that module" in said.words
    said = jmeta("evaluate", rl2_run, "--trust")
    assert said.status == USAGE
    assert "can't find the task 'night_club:Slots'" in said.words
    assert "PYTHONPATH" in said.words


@pytest.mark.slow
def test_a_learning_rate_out_of_this_world(jmeta, tmp_path):
    out = tmp_path / "run"
    said = jmeta(
        "train", *RL2, "--learning-rate", "1e38", "--num-steps", 50, "--checkpoint-every", 1, "--out", out, "--no-progress"
    )
    assert said.status == FAILURE
    again = f"at outer step 1; no checkpoint was written, and the next run may use {out} again. Try a lower learning rate"
    assert again in said.words
    assert not out.exists()


def test_no_place_to_write(jmeta, tmp_path):
    (tmp_path / "file").write_text("")
    said = jmeta("train", *RL2, "--out", tmp_path / "file" / "run")
    assert said.status == FAILURE
    assert f"can't write to {tmp_path}/file/run: Not a directory; choose another directory" in said.words


def test_messages_are_not_markup(jmeta, tmp_path):
    """A path may look like a style; it is shown to the letter, and on one line, to be copied."""
    path = tmp_path / "[red]x[/]" / ("long" * 40)
    said = jmeta("evaluate", path)
    assert f"{path} is not a run directory" in said.err


def test_list_and_help_say_what_a_name_is(jmeta):
    """Comparisons have names too; and `jmeta help rl2` is the same as `jmeta list rl2`."""
    assert "jmeta compare first --out runs/first" in jmeta("list", "first").words
    assert jmeta("help", "rl2").out == jmeta("list", "rl2").out
    assert "did you mean 'bernoulli-bandit' or 'dependent-bandit'" in jmeta("list", "bandit").words
