"""``jmeta evaluate --task`` and ``jmeta watch --task``: another family than that of the run, and that results say so."""

import json
import shlex

import jax
import numpy as np
import pytest

import jmeta as package
from jmeta.cli import evaluate as evaluate_cli
from jmeta.cli import watch as watch_cli
from jmeta.cli.other_tasks import TaskFamily, tasks_of
from jmeta.evaluation.evaluate import EVALUATION_FOLD
from jmeta.runs import load
from jmeta.tasks import BernoulliBandit, DependentBandit, GaussianBandit
from tests.cli.conftest import train

USAGE = 2
GAUSSIAN = ["--task", "gaussian-bandit", "--task.num-arms", 3, "--task.num-pulls", 3]


def test_the_score_is_that_of_the_other_family_and_is_kept_apart(jmeta, rl2_run, tmp_path):
    """Numbers of the package, references of the new family, and the run's own score is untouched."""
    assert jmeta("evaluate", rl2_run, "--num-tasks", 20).status == 0
    own = load(rl2_run)
    said = jmeta("evaluate", rl2_run, *GAUSSIAN, "--num-tasks", 20, "--json", tmp_path / "result.json")
    assert said.status == 0, said
    result = json.loads((tmp_path / "result.json").read_text())
    tasks = GaussianBandit(num_arms=3, num_pulls=3).held_out
    key = jax.random.fold_in(jax.random.key(0), EVALUATION_FOLD)
    expected = package.evaluate(own.inner, tasks, own.theta, key, protocol=own.protocol, num_tasks=20)
    assert result.items() >= json.loads(json.dumps(expected.summary())).items()
    assert result["tasks"]["name"] == "gaussian-bandit"
    assert result["tasks"]["settings"]["num_arms"] == 3
    assert result["trained_on"]["name"] == "bernoulli-bandit"
    assert result["reference"] is None  # that of Bernoulli arms would be of another family
    assert abs(result["random"]["episode_return"]) < 4 * np.sqrt(2 / 20)  # means and noise have variance 1 each, and mean 0

    own_file, other_file = "held-out-step6-seed0-20tasks-1x3x1.json", "-held-out-step6-seed0-20tasks-1x3x1.json"
    folder = rl2_run / "evaluations"
    assert [file.name for file in folder.glob("*.json")] == [own_file]
    (other,) = (folder / "transfer").glob("*.json")
    assert other.name.startswith("gaussian-bandit-")
    assert other.name.endswith(other_file)
    with np.load(other.with_suffix(".npz")) as raw:
        np.testing.assert_array_equal(raw["lifetime_returns"], expected.lifetime_returns)
    kept = json.loads((folder / own_file).read_text())
    assert kept["tasks"] == kept["trained_on"] == result["trained_on"]
    assert load(rl2_run).evaluation == kept

    assert "20 held-out tasks of GaussianBandit" in said.out
    assert "trained on BernoulliBandit(split='train', num_arms=3, num_pulls=3), evaluated in GaussianBandit(" in said.out
    assert "the lifetime is that of" not in said.out


def test_families_that_differ_in_a_setting_have_other_labels():
    a, b = (TaskFamily("dependent-bandit", {"num_pulls": n}, DependentBandit(num_pulls=n)) for n in (10, 20))
    assert a.label != b.label
    assert a.label == TaskFamily("dependent-bandit", {"num_pulls": 10}, a.tasks).label
    assert a.label.startswith("dependent-bandit-")
    assert TaskFamily("mine.tasks:Slots", {}, a.tasks).label.startswith("mine.tasks-Slots-")


def test_the_family_of_the_run_with_its_settings_is_no_other(rl2_run):
    opened = load(rl2_run)
    same = TaskFamily("bernoulli-bandit", {"num_pulls": 3, "num_arms": 3}, BernoulliBandit(num_arms=3, num_pulls=3))
    for chosen in (None, same):
        family, is_other = tasks_of(opened, chosen)
        assert (family.tasks, is_other) == (opened.tasks, False)
    longer = TaskFamily("bernoulli-bandit", {"num_pulls": 4, "num_arms": 3}, BernoulliBandit(num_arms=3, num_pulls=4))
    assert tasks_of(opened, longer) == (longer, True)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["--task", "bernoulli-bandit"],
            "observations of size 1 and actions Discrete(num_actions=3), but bernoulli-bandit has observations of size 1 and "
            "actions Discrete(num_actions=5)",
        ),
        (["--task", "point-navigation"], "has observations of size 2 and actions Continuous(size=2): choose a family"),
        (["--task", "gausian-bandit"], "did you mean 'gaussian-bandit'"),
        (["--task.num-arms", "3"], "--task.num-arms: it is a setting of a task family, so name the family too: --task FAMILY"),
        ([*GAUSSIAN, "--gymnasium", "CartPole-v1"], "--gymnasium CartPole-v1 and --task gaussian-bandit: give one of them"),
        ([*GAUSSIAN, "--split", "ood"], "GaussianBandit has no out-of-distribution tasks"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(map(str, value)),
)
def test_families_that_can_not_be(jmeta, rl2_run, monkeypatch, args, message):
    monkeypatch.setattr(evaluate_cli, "evaluate", None)  # the error comes before anything is compiled
    said = jmeta("evaluate", rl2_run, *args)
    assert (said.status, message in said.words) == (USAGE, True), said.words
    assert not (rl2_run / "evaluations").exists()


@pytest.mark.slow
def test_the_lifetime_is_that_of_the_training(jmeta, maml_run):
    """An episode of five steps in training; ten steps of another family are two segments that are too short."""
    said = jmeta("evaluate", maml_run, "--task", "point-navigation", "--task.horizon", 10)
    assert said.status == USAGE
    assert "segment_length=5 is not a whole number of episodes of 10 steps (PointNavigation)" in said.words
    longer = ["--segment-length", 10, "--num-tasks", 3]
    said = jmeta("evaluate", maml_run, "--task", "point-navigation", "--task.horizon", 10, *longer)
    assert said.status == 0
    assert "a lifetime = 2 segment(s) x 10 steps x 2 stream(s)" in said.out
    assert "the lifetime is that of the training, 20 steps a stream; a lifetime of PointNavigation usually has 10" in said.out


@pytest.mark.slow
def test_an_oracle_meets_no_other_family(jmeta, tmp_path):
    """The description of its task has another meaning there, even where it is as long."""
    out = tmp_path / "oracle"
    arms = "--task.num-arms 2 --task.num-pulls 3"
    train(*shlex.split(f"oracle --task bernoulli-bandit {arms} --widths 4 --num-tasks 16 --num-steps 1"), "--out", out)
    gaussian = shlex.split(f"--task gaussian-bandit {arms}")
    said = jmeta("evaluate", out, *gaussian)
    assert said.status == USAGE
    assert "the agent was trained on ToldTasks of bernoulli-bandit" in said.words
    longer = shlex.split("--task bernoulli-bandit --task.num-arms 2 --task.num-pulls 6 --segment-length 6 --num-tasks 4")
    assert jmeta("evaluate", out, *longer).status == 0


def test_watching_in_another_family(jmeta, rl2_run, monkeypatch):
    asked = []
    monkeypatch.setattr(watch_cli, "watch", lambda inner, tasks, *rest, out, **options: asked.append((tasks, out)) or out)
    assert jmeta("watch", rl2_run, *GAUSSIAN).status == 0
    ((tasks, out),) = asked
    assert tasks == GaussianBandit(num_arms=3, num_pulls=3).held_out
    assert out.parent == rl2_run
    assert out.name.startswith("watch-gaussian-bandit-")


def test_help_lists_the_settings_of_the_family(jmeta):
    said = jmeta("evaluate", "--task", "gaussian-bandit", "--help")
    assert "--task.num-arms INT" in said.words
    assert "--num-streams" in said.words
    assert "--task {None}|STR" in jmeta("evaluate", "--help").words
