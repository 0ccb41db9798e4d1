"""``jmeta train --from``: which theta the training begins with, and what is said if it does not fit."""

import jax
import numpy as np
import pytest

from jmeta.cli import training
from jmeta.runs import load
from jmeta.training import Pretrained, TrainResult
from tests.cli.conftest import MAML, RL2

USAGE = 2


@pytest.fixture
def begun(monkeypatch):
    """The theta that ``train`` was called with; it trains nothing."""
    asked = []

    def train(outer, key, num_steps, **options):
        asked.append(options["theta"])
        return TrainResult(None, None, num_steps, {}, None, 0.0)

    monkeypatch.setattr(training, "train", train)
    return asked


def test_it_begins_with_the_newest_checkpoint_or_the_one_asked_for(jmeta, rl2_run, begun, tmp_path):
    for chosen, step in ([], 6), (["--from-step", 4], 4):
        said = jmeta("train", *RL2, "--from", rl2_run, *chosen, "--out", tmp_path / "tuned")
        assert said.status == 0, said
        assert f"begins with theta of {rl2_run}, step {step}: rl2 on bernoulli-bandit" in said.words
        assert "other settings" not in said.words
        given = begun.pop()
        assert isinstance(given, Pretrained)
        assert (given.run, given.step) == (str(rl2_run), step)
        jax.tree.map(np.testing.assert_array_equal, given.theta, load(rl2_run, step=step).state.theta)
    said = jmeta("train", *RL2, "--from", rl2_run, "--from-step", 5, "--out", tmp_path / "tuned")
    assert (said.status, "step=5: there is no such checkpoint, only those of step 4, 6" in said.words) == (USAGE, True)
    said = jmeta("train", *RL2, "--from-step", 5, "--out", tmp_path / "tuned")
    assert (said.status, "--from-step 5: it belongs to --from DIR" in said.words) == (USAGE, True)
    assert begun == []


def test_settings_of_the_agent_that_theta_does_not_show_are_named(jmeta, rl2_run, begun, tmp_path):
    """A memory that is reset at each episode has the same parameters."""
    said = jmeta("train", *RL2, "--memory-span", "episode", "--num-tasks", 32, "--from", rl2_run, "--out", tmp_path / "tuned")
    assert said.status == 0
    assert said.words.endswith("its agent had other settings: --memory-span: lifetime there, episode here trained to step 1000; "
                               f"next: jmeta evaluate {tmp_path / 'tuned'}")  # fmt: skip
    assert len(begun) == 1


def test_theta_of_another_family_of_tasks_and_of_another_algorithm(jmeta, maml_run, begun, tmp_path):
    fomaml = ["fomaml", *MAML[1:]]
    assert jmeta("train", *fomaml, "--from", maml_run, "--out", tmp_path / "tuned").status == 0
    assert begun[0].config["recipe"]["algorithm"] == "maml"


def test_what_does_not_fit_is_listed_with_the_settings_that_differ(jmeta, rl2_run, begun, tmp_path):
    wide = [*RL2, "--hidden-size", 5, "--learning-rate", 0.1, "--task.num-arms", 2]
    said = jmeta("train", *wide, "--from", rl2_run, "--out", tmp_path / "tuned")
    assert said.status == USAGE
    assert f"theta of {rl2_run}, step 6, belongs to another agent than this RL2, and does not fit it:" in said.words
    assert "core.inputs.kernel is float32[6, 12] there, float32[5, 15] here" in said.words
    assert "actions: Discrete(num_actions=3) there, Discrete(num_actions=2) here" in said.words
    assert "--hidden-size: 4 there, 5 here" in said.words
    assert "--task.num-arms: 3 there, 2 here" in said.words
    assert "learning-rate" not in said.words  # of the training, which theta does not depend on
    assert said.words.endswith("give the settings of that run, or train anew without --from")
    assert begun == []


def test_a_policy_of_rl2_is_no_varibad(jmeta, rl2_run, begun, tmp_path):
    varibad = ["varibad", "--task", "bernoulli-bandit", "--task.num-arms", 3, "--task.num-pulls", 3, "--hidden-size", 4]
    said = jmeta("train", *varibad, "--from", rl2_run, "--out", tmp_path / "tuned")
    assert said.status == USAGE
    assert "is missing there" in said.words
    assert "core.inputs.kernel, float32[6, 12] there, is unknown here" in said.words
    assert "algorithm: rl2 there, varibad here" in said.words
    assert "--encoder-widths: none there, 32 here" in said.words
    assert said.words.endswith("train rl2, or train anew without --from")
    assert begun == []
