"""``jmeta plan``."""

import pytest

from jmeta.cli import plan
from jmeta.planning import Fit

SMALL = ("rl2", "--task", "bernoulli-bandit", "--recipe", "none", "--num-tasks", 8, "--hidden-size", 6, "--num-minibatches", 1)


def test_a_plan_for_this_machine(jmeta):
    said = jmeta("plan", *SMALL, "--topology", "cpu:1")
    assert said.status == 0
    assert "An outer step of num_tasks=8 on cpu:1, on one device:" in said.out
    assert "it fits" in said.out
    assert "compiling for cpu:1" in said.err


def test_the_largest_number_of_tasks_is_found_with_the_settings_of_the_command(jmeta, monkeypatch):
    asked = []

    def largest_that_fits(build, topology, num_tasks):
        asked.append((build(32).num_tasks, topology.name, num_tasks))
        return Fit(None, None, None)

    monkeypatch.setattr(plan, "largest_that_fits", largest_that_fits)
    assert jmeta("plan", *SMALL, "--topology", "cpu:1", "--fit").status == 0
    assert asked == [(32, "cpu:1", 8)]


def test_off_policy_learners_grow_by_their_training_tasks():
    from jmeta.cli.learner_command import LearnerCommand

    parsed = LearnerCommand("plan", plan.PlanOptions(), "").parse(["pearl", "--task", "point-navigation", "--num-tasks", "4"])
    bigger = plan.sized(parsed.recipe, "num_training_tasks", 96)
    assert (bigger.num_training_tasks, bigger.num_tasks) == (96, 96)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("rl2", "--task", "bernoulli-bandit", "--topology", "v9:2x2"), "no chip is called 'v9'"),
        ((*SMALL, "--topology", "v5e:4x4"), "num_tasks=8 can't be split evenly over 16 device"),
        (("rl2",), "which task? usage: jmeta plan ALGORITHM --task TASK"),
        ((), "which algorithm? usage: jmeta plan ALGORITHM"),
    ],
)
def test_mistakes_are_found_before_anything_is_compiled(jmeta, args, said):
    done = jmeta("plan", *args)
    assert done.status == 2
    assert said in done.words
