"""Observation spaces: what the vector is, by hand, under a trace, by NumPy, and as Gymnasium flattens it."""

import collections
import json
from typing import Any

import gymnasium
import jax
import numpy as np
import pytest

from jmeta.observation_spaces import Categories, Named, Numbers, ObservationSpace, Ordered, Pixels, from_json, to_json
from jmeta.tasks.spaces import read_observation_space

BOX = gymnasium.spaces.Box(-1.0, 1.0, (2, 2), seed=0)
SPACES: dict[str, Any] = {
    "box": BOX,
    "integers": gymnasium.spaces.Box(0, 1, (3,), np.int8),
    "discrete": gymnasium.spaces.Discrete(5),
    "multi-discrete": gymnasium.spaces.MultiDiscrete([[2, 3], [4, 1]]),
    "multi-binary": gymnasium.spaces.MultiBinary((2, 2)),
    "dict": gymnasium.spaces.Dict({"b": BOX, "a": gymnasium.spaces.Discrete(3), "c": gymnasium.spaces.MultiBinary(2)}),
    "tuple": gymnasium.spaces.Tuple((gymnasium.spaces.Discrete(3), BOX, gymnasium.spaces.MultiDiscrete([2, 3]))),
}
SPACES["nested"] = gymnasium.spaces.Dict({"z": SPACES["tuple"], "y": SPACES["dict"]})


@pytest.mark.parametrize("name", SPACES)
def test_jax_numpy_and_gymnasium_give_the_same_vector(name: str) -> None:
    space = SPACES[name]
    space.seed(1)
    form = read_observation_space(space)
    assert form.size == gymnasium.spaces.flatdim(space)
    samples = [space.sample() for _ in range(20)]
    for sample in samples:
        expected = gymnasium.spaces.flatten(space, sample)
        np.testing.assert_array_equal(form.encode(sample, xp=np), expected.astype(np.float32))
        traced = jax.jit(form.encode)(sample)
        assert traced.dtype == np.float32
        np.testing.assert_array_equal(traced, expected.astype(np.float32))
    batch = jax.tree.map(lambda *each: np.stack(each).reshape(4, 5, *np.shape(each[0])), *samples)
    np.testing.assert_array_equal(form.encode(batch, (4, 5), np)[1, 2], form.encode(samples[7], xp=np))


def test_the_order_is_that_of_the_sorted_names_whatever_the_dictionary_s() -> None:
    number = gymnasium.spaces.Box(0.0, 9.0, (1,))
    parts = [("b", gymnasium.spaces.Discrete(2)), ("c", number), ("a", number)]
    form = read_observation_space(gymnasium.spaces.Dict(collections.OrderedDict(parts)))
    assert form == Named((Numbers(1), Categories((2,)), Numbers(1)), ("a", "b", "c"))
    np.testing.assert_array_equal(form.encode({"b": 1, "c": [5.0], "a": [7.0]}, xp=np), [7, 0, 1, 5])


def test_pixels_are_scaled_by_the_bounds_of_the_whole_image() -> None:
    form = read_observation_space(gymnasium.spaces.Box(0, 255, (2, 2, 1), np.uint8))
    assert form == Pixels(4)
    image = np.array([[[0], [51]], [[102], [255]]], np.uint8)
    np.testing.assert_allclose(form.encode(image, xp=np), [0.0, 0.2, 0.4, 1.0], rtol=1e-6)
    np.testing.assert_array_equal(jax.jit(form.encode)(image), form.encode(image, xp=np))
    shifted = read_observation_space(gymnasium.spaces.Box(np.array([10, 20]), np.array([30, 110]), dtype=np.uint8))
    assert shifted == Pixels(2, 10.0, 110.0)
    np.testing.assert_allclose(shifted.encode(np.array([10, 60], np.uint8), xp=np), [0.0, 0.5])


def test_every_byte_has_one_value_in_jax_and_numpy() -> None:
    every = np.arange(256, dtype=np.uint8)
    found = Pixels(256).encode(every, xp=np)
    np.testing.assert_array_equal(jax.jit(Pixels(256).encode)(every), found)
    np.testing.assert_allclose(found, every / 255.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (gymnasium.spaces.Text(3), r"Text.* is none that networks can observe: give a Box, .* or a Dict or Tuple of those"),
        (gymnasium.spaces.Tuple((gymnasium.spaces.Text(3),)), "is none that networks can observe"),
        (gymnasium.spaces.Sequence(gymnasium.spaces.Discrete(3)), "is none that networks can observe"),
        (gymnasium.spaces.Discrete(2, start=1), r"begins at 1: use Discrete\(2\), and add 1 in step_env, or in a wrapper"),
        (gymnasium.spaces.MultiDiscrete([2, 3], start=[0, 4]), r"begins at \[0, 4\]: use MultiDiscrete\(\[2, 3\]\)"),
        (gymnasium.spaces.Dict({"a": gymnasium.spaces.Discrete(2, start=-1)}), "begins at -1"),
        (gymnasium.spaces.Box(7, 7, (2,), np.uint8), "of bytes goes from 7 to 7: give its low and its high"),
        ("a string", "is none that networks can observe"),
    ],
    ids=str,
)
def test_what_networks_cannot_observe_is_refused_with_the_remedy(space: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_observation_space(space)


def test_spaces_are_written_as_json() -> None:
    space: ObservationSpace = Named((Pixels(4, 0.0, 7.0), Ordered((Numbers(2), Categories((2, 3))))), ("a", "b"))
    assert from_json(json.loads(json.dumps(to_json(space)))) == space
    assert to_json(Categories((2,))) == {"kind": "categories", "counts": [2]}
