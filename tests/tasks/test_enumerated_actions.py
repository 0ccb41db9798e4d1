"""Several choices as one number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmeta
from jmeta.tasks import BernoulliBandit, EnumeratedActions
from jmeta.types import Discrete
from tests.tasks.spaced_families import Shown

TASKS = Shown(action="multi-discrete-matrix")
KEY = jax.random.key(0)


def test_each_number_is_a_combination_in_the_order_of_numpy() -> None:
    tasks = EnumeratedActions(TASKS)
    assert tasks.action_space == Discrete(2 * 3 * 4 * 2)
    task = tasks.sample(KEY)
    _, state = tasks.reset(task, KEY)
    for number in (0, 1, 17, 47):
        choices = jnp.array(np.unravel_index(number, (2, 3, 4, 2)))
        expected, found = TASKS.step(task, state, choices, KEY), tasks.step(task, state, jnp.int32(number), KEY)
        assert float(found.reward) == float(expected.reward)


def test_other_actions_are_left_alone() -> None:
    with pytest.raises(ValueError, match=r"BernoulliBandit takes Discrete\(num_actions=3\): leave out EnumeratedActions"):
        EnumeratedActions(BernoulliBandit(num_arms=3))


@pytest.mark.parametrize("name", ["dqn", "maml-dqn", "sac", "pearl"])
def test_learners_of_one_choice_refuse_several_and_take_the_numbered_ones(name: str) -> None:
    build = jmeta.algorithms.ALGORITHMS[name]
    with pytest.raises(ValueError, match=r"Shown takes MultiDiscrete.*several choices at a time.*EnumeratedActions\(tasks\)"):
        build(TASKS)
    assert build(EnumeratedActions(TASKS), widths=(8,), num_training_tasks=2).inner.action_space == Discrete(48)


@pytest.mark.parametrize("name", ["td3", "mql"])
def test_learners_of_a_box_refuse_several_choices(name: str) -> None:
    with pytest.raises(ValueError, match=r"Shown takes MultiDiscrete.*needs actions in a box"):
        jmeta.algorithms.ALGORITHMS[name](TASKS)
