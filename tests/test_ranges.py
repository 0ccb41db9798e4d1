"""Ranges: every numeric setting of every algorithm has one, and what lies outside is refused before anything compiles."""

import dataclasses
import inspect
import math
from collections.abc import Iterator
from typing import Annotated, Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmeta
from jmeta import struct
from jmeta.algorithms import ALGORITHMS
from jmeta.ranges import (
    Count,
    Finite,
    Limit,
    NonNegative,
    Positive,
    PositiveShare,
    Range,
    Share,
    check_type,
    checked,
    plain,
    ranges,
)
from jmeta.tasks import BernoulliBandit
from tests.laws.learners import FIRST, LEARNERS, OUTER_LEARNERS

SETTINGS = [
    (algorithm, parameter)
    for algorithm, function in ALGORITHMS.items()
    for parameter in list(inspect.signature(function, eval_str=True).parameters.values())[1:]
]


def has_numbers(annotation: Any) -> bool:
    return annotation in (int, float) or any(has_numbers(member) for member in get_args(annotation))


def outside(kind: type, allowed: Range) -> Iterator[Any]:
    """Values just outside a range."""
    step = 1 if kind is int else 1e-3
    if allowed.low > -math.inf:
        yield kind(allowed.low - step) if allowed.has_low else kind(allowed.low)
    if allowed.high < math.inf or not allowed.has_high:
        yield kind(allowed.high + step) if allowed.has_high else allowed.high
    yield 1.5 if kind is int else math.nan


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_numeric_setting_has_a_range(algorithm: str) -> None:
    numeric = [p for name, p in SETTINGS if name == algorithm and has_numbers(plain(p.annotation))]
    assert numeric
    without = [p.name for p in numeric if not list(ranges(p.annotation))]
    assert not without, f"{algorithm}: annotate {without} with a range of jmeta.ranges, such as Positive or Count"
    for parameter in numeric:
        for _, allowed in ranges(parameter.annotation):
            values = np.ravel(parameter.default) if parameter.default is not None else []
            assert all(value in allowed for value in values), f"{parameter.name}: its default is outside of its own range"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_settings_out_of_range_are_refused(algorithm: str) -> None:
    tasks, settings = next(iter(LEARNERS[algorithm].values()))
    for name, parameter in SETTINGS:
        if name != algorithm:
            continue
        for kind, allowed in ranges(parameter.annotation):
            for value in outside(kind, allowed):
                wrong = (value,) if isinstance(parameter.default, tuple) else value
                with pytest.raises(ValueError, match=rf"^{parameter.name}=.*: give a (tuple of )?(whole )?number"):
                    ALGORITHMS[algorithm](tasks, **settings | {parameter.name: wrong})


@pytest.mark.parametrize("name", sorted(FIRST))
def test_every_numeric_field_of_a_learner_has_a_range(name: str) -> None:
    """Those that are no leaf and say what the tasks are like apart."""

    def check(thing: Any) -> None:
        for field in dataclasses.fields(thing):
            value = getattr(thing, field.name)
            if dataclasses.is_dataclass(value) and field.metadata.get("pytree_node", True):
                check(value)
            elif field.metadata.get("pytree_node", True) and isinstance(value, int | float):
                assert list(ranges(field.type)), f"{type(thing).__name__}.{field.name}: annotate it with a range"
                with pytest.raises(ValueError, match=f"^{field.name}=nan: give a number"):
                    thing.replace(**{field.name: math.nan})

    check(OUTER_LEARNERS[name]())


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("learning_rate", -1e-3, "learning_rate=-0.001: give a number above 0, such as 0.003"),
        ("gae_lambda", -1, "gae_lambda=-1: give a number from 0 to 1, such as 0.95"),
        ("clip_epsilon", -0.2, "clip_epsilon=-0.2: give a number above 0, such as 0.2"),
        ("max_gradient_norm", 0, "max_gradient_norm=0: give a number above 0, such as 0.5"),
        ("discount", 99, "discount=99: give a number from 0 to 1, such as 0.99"),
        ("num_tasks", 0, "num_tasks=0: give a whole number of at least 1, such as 4096"),
        ("num_tasks", 2.5, "num_tasks=2.5: give a whole number of at least 1, such as 4096"),
        ("head_widths", (8, 0), r"head_widths=(8, 0): give a whole number of at least 1"),
        ("chunk_length", 0, "chunk_length=0: give a whole number of at least 1"),
        ("learning_rate", "fast", "learning_rate='fast': give a number above 0"),
        ("num_tasks", None, "num_tasks=None: give a whole number of at least 1"),
        ("num_tasks", True, "num_tasks=True: give a whole number of at least 1"),
        ("encoder_widths", 8, "encoder_widths=8: give a tuple of whole numbers of at least 1"),
    ],
)
def test_the_message_names_the_value_and_the_remedy(setting: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        jmeta.algorithms.rl2(jmeta.tasks.BernoulliBandit(), **{setting: value})
    assert str(caught.value) == message


def test_a_misspelt_setting_is_named_with_the_nearest() -> None:
    tasks = jmeta.tasks.BernoulliBandit()
    with pytest.raises(TypeError, match=r"rl2\(\) has no setting 'hiddensize'; did you mean 'hidden_size'\?"):
        jmeta.algorithms.rl2(tasks, hiddensize=3)
    with pytest.raises(TypeError, match=r"anil\(\) has no setting 'wdths'; did you mean 'widths'\?"):
        jmeta.algorithms.anil(tasks, wdths=(8,))


def test_ranges_by_hand() -> None:
    cases: dict[Any, tuple[list[float], list[float], str]] = {
        Count: ([1, 7], [0, -1], "of at least 1"),
        Positive: ([1e-9, 5], [0, -1, math.inf, math.nan], "above 0"),
        Limit: ([1e-9, math.inf], [0, -1, math.nan], "above 0"),
        NonNegative: ([0, 5], [-1e-9, math.inf], "of at least 0"),
        Share: ([0, 0.5, 1], [-0.1, 1.1], "from 0 to 1"),
        PositiveShare: ([0.5, 1], [0, 1.1], "above 0 and at most 1"),
        Finite: ([-3, 3], [math.inf, -math.inf, math.nan], "finite"),
    }
    for annotation, (inside, out, text) in cases.items():
        ((_, allowed),) = ranges(annotation)
        assert all(value in allowed for value in inside), annotation
        assert not any(value in allowed for value in out), annotation
        assert str(allowed) == text


def test_where_a_range_may_stand() -> None:
    found = [allowed for _, allowed in ranges(jax.Array | Share | None)]
    assert found == [Range(0.0, 1.0)]
    assert [kind for kind, _ in ranges(tuple[Count, ...] | None)] == [int]
    assert plain(tuple[Count, ...] | None) == (tuple[int, ...] | None)
    assert plain(Annotated[float, Range()]) is float
    assert not list(ranges(float))


@struct.dataclass
class Rates:
    rate: jax.Array | Positive = 0.5
    shares: tuple[Share, ...] = struct.field(pytree_node=False, default=())


@struct.dataclass
class More(Rates):
    size: Count = struct.field(pytree_node=False, default=1)

    def __post_init__(self) -> None:
        if self.size > 9:
            raise ValueError("size: too large")


def test_a_dataclass_is_checked_when_somebody_makes_one() -> None:
    for make in (Rates, More, Rates().replace, More().replace):
        with pytest.raises(ValueError, match=r"rate=-1: give a number above 0, such as 0\.5"):
            make(rate=-1)
        with pytest.raises(ValueError, match=r"shares=\(0\.5, 2\): give a number from 0 to 1"):
            make(shares=(0.5, 2))
        with pytest.raises(ValueError, match="rate="):
            make(rate=jnp.array([0.1, -0.1]))
    with pytest.raises(ValueError, match="size=0: give a whole number"):
        More(size=0)
    with pytest.raises(ValueError, match="too large"):
        More(size=10)
    assert Rates(rate=np.float32(0.1)).rate == np.float32(0.1)


def test_what_is_traced_or_made_by_jax_is_not_checked() -> None:
    assert float(jax.jit(lambda rate: Rates(rate=rate).rate)(-1.0)) == -1.0
    assert jax.tree.map(lambda x: -x, Rates(0.5)).rate == -0.5
    assert jax.tree.map(lambda x: None, More(0.5, size=3)).size == 3
    assert jax.vmap(lambda rates: rates.rate * 2)(Rates(jnp.arange(1.0, 4.0))).shape == (3,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_arms": "5"}, "num_arms='5': give a whole number"),
        ({"num_pulls": 10.0}, "num_pulls=10.0: give a whole number"),
        ({"num_arms": True}, "num_arms=True: give a whole number"),
        ({"split": 1}, "split=1"),
    ],
)
def test_settings_of_tasks_have_their_types(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BernoulliBandit(**settings)


def test_types_by_hand() -> None:
    for name, value, annotation in (
        ("a", 1, float),
        ("b", np.float32(1.0), float),
        ("c", np.int64(3), int),
        ("d", None, int | None),
    ):
        check_type(name, value, annotation)
    for value, annotation, noun in (
        (1, bool, "True or False"),
        (1, str, "a text"),
        ("1", float, "a number"),
        (None, int, "whole"),
    ):
        with pytest.raises(ValueError, match=f"x={value!r}: give .*{noun}"):
            check_type("x", value, annotation)


def test_a_function_is_checked_when_it_is_called() -> None:
    @checked
    def scale(x: float, by: Positive = 2.0) -> float:
        return x * by

    assert scale(3.0) == 6.0
    assert scale(-3.0, by=0.5) == -1.5
    with pytest.raises(ValueError, match=r"by=0: give a number above 0, such as 2\.0"):
        scale(3.0, 0)
    with pytest.raises(TypeError, match="by_"):
        scale(3.0, by_=1)
