"""Premises of a training that a few lives with random actions can refute."""

from collections.abc import Callable
from pathlib import Path

import pytest

import jmeta
from jmeta.algorithms import hypernetwork, maml, rl2, rl2_es, varibad
from jmeta.comparison import Budget, Cell, Comparison, compare, run
from jmeta.comparison.store import NOT_RUN
from jmeta.outer.base import OuterLearner
from jmeta.outer.premises import check_premises
from jmeta.tasks import TASKS, CartPole
from jmeta.testing import check_tasks
from tests.laws.test_normalisation import ShiftedPoints

FALLS = CartPole(max_steps=50)
ALIKE = r"every step of CartPole pays 1, also where an episode fails, so all lifetimes of \d+ steps have the same return"


def test_observations_far_from_unit_scale_are_warned_of_where_nothing_normalises() -> None:
    far = ShiftedPoints(horizon=5)
    with pytest.warns(UserWarning, match=r"normalize_observations=True"):
        check_premises(maml(far, widths=(8,)))
    check_premises(maml(far, widths=(8,), normalize_observations=True))  # warnings are errors


@pytest.mark.parametrize(
    "build",
    [
        lambda: rl2(FALLS, num_tasks=4),
        lambda: rl2(FALLS, num_tasks=4, normalize_rewards=True),
        lambda: varibad(FALLS, num_tasks=64),
        lambda: hypernetwork(FALLS, num_tasks=4),
        lambda: rl2_es(FALLS, num_tasks=4, population_size=4),
    ],
)
def test_lifetimes_that_all_earn_the_same_are_warned_of(build: Callable[[], OuterLearner]) -> None:
    with pytest.warns(UserWarning, match=ALIKE):
        check_premises(build())


def test_credit_within_episodes_is_not_warned_of() -> None:
    for build in (rl2, varibad):
        check_premises(build(FALLS, num_tasks=64, credit_span="episode"))  # warnings are errors
    check_premises(maml(FALLS, num_tasks=4, num_streams=2))
    check_premises(rl2(jmeta.tasks.MountainCar(max_steps=50), num_tasks=4))  # nothing ends early, as far as was seen


def test_a_report_on_the_task_family_says_so_too() -> None:
    remarks = check_tasks(FALLS).remarks
    assert [each for each in remarks if "every step pays 1, and episodes end before the horizon" in each]


def test_a_comparison_warns_of_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_run", lambda *_: NOT_RUN)
    cell = Cell("far", "maml", "maml", {"": maml(ShiftedPoints(horizon=5), widths=(8,))})
    with pytest.warns(UserWarning, match=r"observations of ShiftedPoints .*normalize_observations=True"):
        compare(Comparison("far", (cell,), 1, Budget(env_steps=1)), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_no_shipped_task_is_warned_of(name: str) -> None:
    tasks = TASKS[name]()
    check_premises(jmeta.algorithms.average(tasks, widths=(8,)))
    if name != "gymnax":  # one task, of which there is nothing to tell
        check_premises(jmeta.algorithms.oracle(tasks, widths=(8,)))
