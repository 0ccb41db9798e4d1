"""Observations and actions in an environment's own units."""

import numpy as np
import pytest

from jmeta.agent.spaces import ActionBox, ObservationForm
from jmeta.tasks import BernoulliBandit, DarkRoom, GymnaxTasks
from jmeta.tasks.actions import scale


def test_actions_are_scaled_as_the_tasks_do() -> None:
    """From [-1, 1] to [2, 4] and [-8, 0]; an axis without a bound keeps the agent's units, clipped to the finite side."""
    box = ActionBox(None, (3,), (2.0, -8.0, -np.inf), (4.0, 0.0, 5.0))
    raw = np.array([[0.0, -1.0, 7.0], [0.5, 3.0, -20.0]], np.float32)
    found = box.to_environment(raw, (2,))
    np.testing.assert_allclose(found, [[3.0, -8.0, 5.0], [3.5, 0.0, -20.0]])

    class Box:
        low, high, shape = np.array(box.low), np.array(box.high), (3,)

    np.testing.assert_allclose(found, [scale(each, Box) for each in raw], atol=1e-6)  # type: ignore[arg-type]


def test_another_environment_has_another_box() -> None:
    box = ActionBox(None, (2,), (-1.0, -1.0), (1.0, 1.0)).with_bounds(-2.0, (2.0, 6.0))
    np.testing.assert_allclose(box.to_environment(np.array([[0.5, 0.5]]), ()), [1.0, 4.0])
    np.testing.assert_allclose(ActionBox(None, (), (0.0,), (2.0,)).to_environment(np.array([0.5]), ()), 1.5)
    half = ActionBox(None, (2,), (-1.0, -np.inf), (1.0, np.inf))
    np.testing.assert_allclose(
        half.with_bounds((-3.0, -np.inf), (3.0, 5.0)).to_environment(np.array([[1.0, 7.0]]), ()), [3.0, 5.0]
    )
    for low, high in (((-np.inf, -5.0), (np.inf, 5.0)), ((-3e38, -np.inf), (3e38, np.inf))):
        with pytest.raises(ValueError, match=r"give finite bounds for the same axes|a range of this size is none"):
            half.with_bounds(low, high)
    with pytest.raises(ValueError, match="every lower bound must be below the upper one"):
        box.with_bounds(1.0, 1.0)
    with pytest.raises(ValueError, match="the actions of this agent are discrete"):
        ActionBox(3).with_bounds(-1.0, 1.0)


def test_boxes_and_forms_are_those_of_the_environment() -> None:
    assert ActionBox.of(BernoulliBandit(num_arms=4)) == ActionBox(4)
    pendulum = GymnaxTasks("Pendulum-v1")
    assert ActionBox.of(pendulum) == ActionBox(None, (1,), (-2.0,), (2.0,))
    assert ObservationForm.of(pendulum) == ObservationForm(3)
    assert ObservationForm.of(DarkRoom(size=3)).size == DarkRoom(size=3).observation_size


def test_observations_are_flattened_or_one_hot() -> None:
    form = ObservationForm(4)
    np.testing.assert_array_equal(form.encode([[1, 2], [3, 4]], ()), [1, 2, 3, 4])
    np.testing.assert_array_equal(form.encode({"b": [[3, 4]], "a": [[1, 2]]}, (1,)), [[1, 2, 3, 4]])  # as jax.tree.leaves
    one_hot = ObservationForm(3, 3)
    np.testing.assert_array_equal(one_hot.encode(2, ()), [0, 0, 1])
    np.testing.assert_array_equal(one_hot.encode(np.array([0, 1]), (2,)), [[1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(one_hot.encode([0.0, 1.0, 0.0], ()), [0, 1, 0])
    with pytest.raises(ValueError, match="observation: a tuple may hold one observation for each environment"):
        ObservationForm(2).encode((np.zeros(2), np.ones(2)), (2,))
    with pytest.raises(ValueError, match="observation=3: it must be from 0 to 2"):
        one_hot.encode(3, ())
    with pytest.raises(ValueError, match=r"observation has shape \[\]: give 4 number\(s\)"):
        form.encode(1.0, ())
    with pytest.raises(ValueError, match=r"observation has shape \[3, 4\]: give 4 number\(s\), after the axes \[2\]"):
        form.encode(np.zeros((3, 4)), (2,))
