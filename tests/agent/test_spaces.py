"""Observations and actions in an environment's own units."""

import numpy as np
import pytest

from jmeta.agent.spaces import ActionBox, ObservationForm
from jmeta.observation_spaces import Categories, Named, Numbers, Ordered, Pixels
from jmeta.tasks import BernoulliBandit, DarkRoom, GymnaxTasks
from jmeta.tasks.actions import scale
from tests.tasks.spaced_families import Shown


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
    assert (pendulum.num_observations, Shown(observation="discrete").num_observations) == (None, 4)
    assert ActionBox.of(pendulum) == ActionBox(None, (1,), (-2.0,), (2.0,))
    assert ObservationForm.of(pendulum) == ObservationForm(Numbers(3))
    assert ObservationForm.of(DarkRoom(size=3)).size == DarkRoom(size=3).observation_size


def test_observations_are_flattened_or_one_hot() -> None:
    form = ObservationForm(Numbers(4))
    np.testing.assert_array_equal(form.encode([[1, 2], [3, 4]], ()), [1, 2, 3, 4])
    np.testing.assert_array_equal(form.encode({"b": [[3, 4]], "a": [[1, 2]]}, (1,)), [[1, 2, 3, 4]])  # as jax.tree.leaves
    one_hot = ObservationForm(Categories((3,)))
    np.testing.assert_array_equal(one_hot.encode(2, ()), [0, 0, 1])
    np.testing.assert_array_equal(one_hot.encode(np.array([0, 1]), (2,)), [[1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(one_hot.encode([0.0, 1.0, 0.0], ()), [0, 1, 0])
    with pytest.raises(ValueError, match="observation: a tuple may hold one observation for each environment"):
        ObservationForm(Numbers(2)).encode((np.zeros(2), np.ones(2)), (2,))
    with pytest.raises(ValueError, match="observation=3: it must be from 0 to 2"):
        one_hot.encode(3, ())
    with pytest.raises(ValueError, match=r"observation has shape \[\]: give 4 number\(s\)"):
        form.encode(1.0, ())
    with pytest.raises(ValueError, match=r"observation has shape \[3, 4\]: give 4 number\(s\), after the axes \[2\]"):
        form.encode(np.zeros((3, 4)), (2,))


ROOM = Named((Categories((3,)), Ordered((Numbers(2), Categories((2, 4))))), ("door", "rest"))


def test_an_observation_in_parts_is_encoded_part_by_part() -> None:
    form = ObservationForm(ROOM)
    door, rest = [0, 0, 1], [0.5, -2.0, 0, 1, 0, 0, 0, 1]
    np.testing.assert_array_equal(form.encode({"rest": ([0.5, -2.0], [1, 3]), "door": 2}, ()), door + rest)
    by_hand = {"door": np.array([2, 2]), "rest": (np.array([[0.5, -2.0]] * 2), np.array([[1, 3]] * 2))}
    np.testing.assert_array_equal(form.encode(by_hand, (2,)), [door + rest] * 2)
    np.testing.assert_array_equal(form.encode(np.array([door + rest, rest + door]), (2,)), [door + rest, rest + door])
    for wrong, said in (
        ({"door": 2}, r"observation has no part 'rest': give a dictionary with the parts 'door', 'rest'"),
        ({"door": 2, "rest": 0, "lamp": 1}, r"observation has the unknown part 'lamp'"),
        ({"door": 3, "rest": ([0.0, 0.0], [1, 3])}, r"observation\['door'\]=3: it must be from 0 to 2"),
        ({"door": 0.5, "rest": ([0.0, 0.0], [1, 3])}, r"observation\['door'\]=0.5: it must be from 0 to 2"),
        ({"door": 0, "rest": ([0.0, 0.0], [1, 4])}, r"observation\['rest'\]\[1\]=\[1, 4\]: it must be from 0 to \[1, 3\]"),
        ({"door": 0, "rest": ([0.0], [1, 3])}, r"observation\['rest'\]\[0\] has shape \[1\]: give 2 number\(s\)"),
        ({"door": 0, "rest": ([0.0, 0.0], [1])}, r"\[1\] has shape \[1\]: give 2 integers, or 6 number\(s\)"),
        ({"door": 0, "rest": [0.0]}, r"observation\['rest'\]: give a tuple of the 2 parts"),
        ({"door": 0, "rest": ([0.0, np.nan], [1, 3])}, "a number of it is NaN or infinite"),
        (7, "observation has no part 'door'"),
    ):
        with pytest.raises(ValueError, match=said):
            form.encode(wrong, ())


def test_bytes_are_scaled_and_a_vector_of_other_numbers_is_as_the_agent_sees_it() -> None:
    form = ObservationForm(Pixels(4))
    np.testing.assert_allclose(form.encode(np.array([[0, 51], [102, 255]], np.uint8), ()), [0.0, 0.2, 0.4, 1.0], rtol=1e-6)
    np.testing.assert_allclose(form.encode([0, 51, 102, 255], ()), [0.0, 0.2, 0.4, 1.0], rtol=1e-6)
    np.testing.assert_array_equal(form.encode([0.0, 0.25, 0.5, 1.0], ()), [0.0, 0.25, 0.5, 1.0])
    with pytest.raises(ValueError, match=r"give bytes from 0 to 255; a vector of other numbers is in \[0, 1\]"):
        form.encode([0.0, 51.0, 102.0, 255.0], ())


def test_several_choices_have_the_shape_of_the_environment() -> None:
    box = ActionBox(None, (2, 2), counts=(2, 3, 4, 2))
    assert box.is_discrete
    np.testing.assert_array_equal(box.to_environment(np.array([[0, 2, 3, 1]]), (1,)), [[[0, 2], [3, 1]]])
    with pytest.raises(ValueError, match="the actions of this agent are discrete"):
        box.with_bounds(-1.0, 1.0)
    assert ActionBox.of(Shown(action="multi-discrete-matrix")) == box
    matrix = ActionBox.of(Shown(action="matrix"))
    assert matrix.shape == (2, 3)
    np.testing.assert_allclose(matrix.to_environment(np.linspace(-1, 1, 6)[None], (1,))[0, 1], [1.6, 2.8, 4.0], rtol=1e-6)
