"""Search spaces: what they admit, and how settings are drawn from them."""

from typing import Any

import numpy as np
import pytest

from jmeta.algorithms import ALGORITHMS
from jmeta.tuning import Choices, Interval, read_space, sample

RL2 = ALGORITHMS["rl2"]


def test_an_interval_reaches_both_ends_and_nothing_beyond() -> None:
    for interval in (Interval(0.5, 2.0), Interval(1e-5, 1e-1, log=True), Interval(1, 4, whole=True), Interval(1, 64, True, True)):
        drawn = [interval.at(share) for share in np.linspace(0.0, 1.0, 201)]
        assert (min(drawn), max(drawn)) == (interval.low, interval.high)
        assert drawn == sorted(drawn)
        assert {type(value) for value in drawn} == {int if interval.whole else float}


def test_a_logarithmic_interval_is_even_in_the_logarithm() -> None:
    assert Interval(1e-4, 1e-2, log=True).at(0.5) == 1e-3
    assert Interval(1e-4, 1e-2).at(0.5) == 0.00505


def test_whole_numbers_are_equally_frequent() -> None:
    drawn = [Interval(1, 4, whole=True).at((i + 0.5) / 400) for i in range(400)]
    assert np.bincount(drawn)[1:].tolist() == [100] * 4


def test_settings_are_spread_over_each_range() -> None:
    """A Latin hypercube: of n settings, one lies in each n-th of every interval, and each choice is drawn as often."""
    space = {"rate": Interval(0.0, 1.0), "size": Choices((8, 16))}
    drawn = sample(space, 10, seed=0)
    assert sorted(int(10 * settings["rate"]) for settings in drawn) == list(range(10))
    assert sorted(settings["size"] for settings in drawn) == [8] * 5 + [16] * 5
    assert drawn == sample(space, 10, seed=0) != sample(space, 10, seed=1)


def test_a_space_is_read_with_the_types_of_its_settings() -> None:
    space = read_space(RL2, {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}, "num_epochs": {"low": 1, "high": 8}})
    assert space == {"learning_rate": Interval(1e-4, 1e-2, log=True), "num_epochs": Interval(1, 8, whole=True)}
    assert read_space(RL2, {"hidden_size": [8, 16]}) == {"hidden_size": Choices((8, 16))}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "the search space is empty"),
        ({"learning_rates": [1e-3]}, "no setting is called 'learning_rates'; did you mean 'learning_rate'"),
        ({"learning_rate": 1e-3}, "learning_rate=0.001: give a list of values, or {low"),
        ({"learning_rate": []}, "give a list of values"),
        ({"learning_rate": [1e-3, 1e-3]}, "learning_rate has 0.001 twice"),
        ({"learning_rate": ["fast"]}, "learning_rate: 'fast' is not"),
        ({"learning_rate": [-1.0]}, "learning_rate=-1.0: give a number above 0"),
        ({"learning_rate": {"low": 1e-3}}, "has no high"),
        (
            {"learning_rate": {"low": 1e-3, "high": 1e-1, "step": 2}},
            "learning_rate has 'step': an interval has",
        ),
        ({"learning_rate": {"low": 1e-1, "high": 1e-3}}, "a low below its high"),
        ({"learning_rate": {"low": 0.0, "high": 1e-3, "log": True}}, "low=0.0 has no logarithm"),
        ({"learning_rate": {"low": 1e-4, "high": 1e-3, "log": 1}}, "log=1 is not true or false"),
        ({"learning_rate": {"low": 1e-4, "high": float("inf")}}, "finite ends"),
        ({"num_epochs": {"low": 0, "high": 4}}, "num_epochs=0: give a whole number of at least 1"),
        ({"num_epochs": {"low": 1.5, "high": 4}}, "1.5 is not"),
        ({"core": {"low": 1, "high": 2}}, "give a list of values"),
    ],
)
def test_mistakes_are_named(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_space(RL2, table)
