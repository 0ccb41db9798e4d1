"""Ranges and choices of settings, declared in type annotations and checked before anything compiles.

    learning_rate: Positive = 1e-3

declares a learning rate above 0, and ``Literal["gru", "lstm"]`` a choice of two. ``jmeta.struct`` checks the fields of a new
instance, and ``checked`` wraps a function to check its arguments. Traced values are not checked.
"""

import dataclasses
import functools
import inspect
import math
import types
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, ParamSpec, TypeAlias, TypeVar, Union, get_args, get_origin

import jax
import numpy as np


@dataclasses.dataclass(frozen=True)
class Range:
    """An interval of numbers; ``Annotated[int, Range(...)]`` admits whole numbers only.

    Attributes:
      low: lower end.
      high: upper end.
      has_low: whether the interval includes its lower end.
      has_high: whether the interval includes its upper end.

    Example:
      >>> str(Range(0.0, 1.0)), str(Range(0.0, has_low=False)), 1.5 in Range(0.0, 1.0)
      ('from 0 to 1', 'above 0', False)
    """

    low: float = -math.inf
    high: float = math.inf
    has_low: bool = True
    has_high: bool = True

    def __contains__(self, value: Any) -> bool:
        above = value >= self.low if self.has_low else value > self.low
        below = value <= self.high if self.has_high else value < self.high
        return bool(np.all(above & below))

    def __str__(self) -> str:
        if self.low == -math.inf and self.high == math.inf:
            return "finite"
        if self.high == math.inf:
            return f"of at least {self.low:g}" if self.has_low else f"above {self.low:g}"
        if self.has_low and self.has_high:
            return f"from {self.low:g} to {self.high:g}"
        return f"{Range(self.low, has_low=self.has_low)!s} and {'at most' if self.has_high else 'below'} {self.high:g}"


Count: TypeAlias = Annotated[int, Range(1)]
"""A whole number of at least 1."""
CountOrZero: TypeAlias = Annotated[int, Range(0)]
"""A whole number of at least 0."""
Finite: TypeAlias = Annotated[float, Range(has_low=False, has_high=False)]
Positive: TypeAlias = Annotated[float, Range(0.0, has_low=False, has_high=False)]
NonNegative: TypeAlias = Annotated[float, Range(0.0, has_high=False)]
Limit: TypeAlias = Annotated[float, Range(0.0, has_low=False)]
"""Above 0; infinity means no limit."""
Share: TypeAlias = Annotated[float, Range(0.0, 1.0)]
PositiveShare: TypeAlias = Annotated[float, Range(0.0, 1.0, has_low=False)]
OpenShare: TypeAlias = Annotated[float, Range(0.0, 1.0, has_low=False, has_high=False)]

P = ParamSpec("P")
R = TypeVar("R")


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Wraps a function so that its arguments are checked against the ranges in its annotations.

    Raises:
      ValueError: when called with a number out of range; the message has the argument's name, the range and the default.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        check_arguments(signature, signature.bind(*args, **kwargs).arguments)
        return function(*args, **kwargs)

    return call


def check_arguments(signature: inspect.Signature, arguments: dict[str, Any]) -> None:
    """Raises ValueError unless every argument lies in the range of its annotation."""
    for name, value in arguments.items():
        if name in signature.parameters:
            parameter = signature.parameters[name]
            check_setting(name, value, parameter.annotation, parameter.default)


def check_setting(name: str, value: Any, annotation: Any, default: Any = None) -> None:
    """Raises ValueError unless a value is one of the choices, or has the type and lies in the range, of an annotation.

    Traced values pass.
    """
    choices = _choices(annotation)
    for each in [value] if get_origin(annotation) is Literal else _words(value):
        if choices and (isinstance(each, jax.Array | np.ndarray) or each not in choices):
            raise ValueError(f"{name}={each!r}: choose from {', '.join(map(str, choices))}")
    expected = list(ranges(annotation))
    if expected and not _takes(annotation, value):
        several = get_origin(annotation) is tuple or any(get_origin(each) is tuple for each in get_args(annotation))
        noun = "whole number" if expected[0][0] is int else "number"
        raise ValueError(f"{name}={value!r}: give {f'a tuple of {noun}s' if several else f'a {noun}'} {expected[0][1]}")
    for kind, allowed in expected:
        for number in _numbers(value):
            if number in allowed and (kind is not int or np.issubdtype(number.dtype, np.integer)):
                continue
            noun = "whole number" if kind is int else "number"
            usual = isinstance(default, int | float) and not isinstance(default, bool) and default in allowed
            raise ValueError(f"{name}={value!r}: give a {noun} {allowed}{f', such as {default!r}' if usual else ''}")


def check_type(name: str, value: Any, annotation: Any) -> None:
    """Raises ValueError unless a value has its annotation's type, where that is ``int``, ``float``, ``bool`` or ``str``.

    A ``float`` may be given as a whole number, and numbers as arrays.
    """
    kinds: dict[Any, tuple[Any, str]] = {
        int: ((int, np.integer), "a whole number"),
        float: ((int, float, np.number), "a number"),
        bool: ((bool, np.bool_), "True or False"),
        str: (str, "a text"),
    }
    if annotation not in kinds or (annotation is not str and isinstance(value, jax.Array | np.ndarray)):
        return
    expected, noun = kinds[annotation]
    if not isinstance(value, expected) or (isinstance(value, bool) and annotation is not bool):
        raise ValueError(f"{name}={value!r}: give {noun}")


def ranges(annotation: Any) -> Iterator[tuple[Any, Range]]:
    """Yields (type, range) for each range in an annotation, including those inside unions and tuples."""
    if get_origin(annotation) is Annotated:
        kind, *metadata = get_args(annotation)
        yield from ((kind, each) for each in metadata if isinstance(each, Range))
        yield from ranges(kind)
    elif get_origin(annotation) in (Union, types.UnionType, tuple):
        for member in get_args(annotation):
            yield from ranges(member)


def _choices(annotation: Any) -> tuple[Any, ...]:
    """Returns the values of a ``Literal``, or of the one inside a union or tuple whose other members take no text."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType, tuple) else ()
    return () if str in members else next(filter(None, map(_choices, members)), ())


def _words(value: Any) -> Iterator[Any]:
    """Yields a text, or the texts in a tuple."""
    if isinstance(value, tuple | list):
        for each in value:
            yield from _words(each)
    elif isinstance(value, str):
        yield value


def plain(annotation: Any) -> Any:
    """Returns an annotation without its ranges."""
    origin, members = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return plain(members[0])
    if origin in (Union, types.UnionType):
        return Union[tuple(plain(member) for member in members)]  # noqa: UP007
    return tuple[tuple(plain(member) for member in members)] if origin is tuple else annotation  # type: ignore[misc]


def _takes(annotation: Any, value: Any) -> bool:
    """Returns whether a value has an annotation's type: a number, a tuple or None; arrays always pass."""
    if hasattr(value, "dtype"):
        return True
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return any(_takes(member, value) for member in get_args(annotation))
    if origin is Annotated:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if origin is tuple:
        return isinstance(value, tuple | list)
    if annotation in (None, type(None)):
        return value is None
    return isinstance(value, annotation) if isinstance(annotation, type) else True


def _numbers(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple | list):
        for each in value:
            yield from _numbers(each)
    elif not isinstance(value, jax.core.Tracer) and isinstance(value, jax.Array | np.ndarray | np.number | int | float):
        yield np.asarray(value)
