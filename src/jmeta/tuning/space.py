"""Search spaces of settings, and settings drawn from them."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, TypeAlias

from scipy.stats import qmc

from jmeta import ranges
from jmeta.registry import check_setting, settings
from jmeta.training.schema import fits, say_type

KEYS = {"low", "high", "log"}


@dataclasses.dataclass(frozen=True)
class Interval:
    """Numbers between two ends.

    Attributes:
      low: lower end, included.
      high: upper end, included.
      log: whether the logarithm is uniform.
      whole: whether the setting is a whole number.

    Example:
      >>> Interval(1e-4, 1e-2, log=True).at(0.5), Interval(1, 3, whole=True).at(0.99)
      (0.001, 3)
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def at(self, share: float) -> float:
        """Returns the number below which a share of the interval lies, rounded to four digits, or to a whole number."""
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole and not self.log else (self.low, self.high)
        value = low * (high / low) ** share if self.log else low + share * (high - low)
        value = round(value) if self.whole else float(f"{value:.4g}")
        return type(value)(min(max(value, self.low), self.high))


@dataclasses.dataclass(frozen=True)
class Choices:
    """Values to choose from, all equally often."""

    values: tuple[Any, ...]

    def at(self, share: float) -> Any:
        """Returns the value at a share of the list."""
        return self.values[min(int(share * len(self.values)), len(self.values) - 1)]


Space: TypeAlias = dict[str, Interval | Choices]


def read_space(algorithm: Callable[..., Any], table: dict[str, Any]) -> Space:
    """Returns the search space that a table describes: a list of values, or ``{low = ..., high = ..., log = ...}``, by setting.

    Args:
      algorithm: the algorithm's function.
      table: the table.

    Raises:
      ValueError: for a setting that the algorithm does not have, or values that it can't take.
    """
    parameters = settings(algorithm)
    annotations = {name: ranges.plain(parameter.annotation) for name, parameter in parameters.items()}
    if not table:
        raise ValueError("the search space is empty: give each setting that varies a list of values, or {low = ..., high = ...}")
    space: Space = {}
    for name, given in table.items():
        if name not in annotations:
            check_setting(name, given, annotations)
        read = _interval if isinstance(given, dict) else _choices
        space[name] = read(name, given, annotations[name])
        ends = (space[name].at(0.0), space[name].at(1.0)) if isinstance(given, dict) else given
        for value in ends:
            ranges.check_setting(name, value, parameters[name].annotation)
    return space


def _interval(name: str, given: dict[str, Any], annotation: Any) -> Interval:
    if unknown := sorted(given.keys() - KEYS):
        raise ValueError(f"{name} has {unknown[0]!r}: an interval has low, high and log")
    if missing := [key for key in ("low", "high") if key not in given]:
        raise ValueError(f"{name}={given!r} has no {missing[0]}: give {{low = ..., high = ...}}, or a list of values")
    low, high, log = given["low"], given["high"], given.get("log", False)
    whole = not fits(0.5, annotation)
    for value in (low, high):
        if isinstance(value, bool) or not isinstance(value, int | float) or not fits(value, annotation):
            raise ValueError(f"{name}={given!r}: {value!r} is not {say_type(annotation)}; give a list of values")
    if not isinstance(log, bool):
        raise ValueError(f"{name}={given!r}: log={log!r} is not true or false")
    if not low < high or not math.isfinite(high - low):
        raise ValueError(f"{name}={given!r}: give finite ends, and a low below its high")
    if log and low <= 0:
        raise ValueError(f"{name}={given!r}: low={low} has no logarithm; give a low above 0, or leave log out")
    return Interval(low, high, log, whole)


def _choices(name: str, given: Any, annotation: Any) -> Choices:
    if not isinstance(given, list) or not given:
        raise ValueError(f"{name}={given!r}: give a list of values, or {{low = ..., high = ...}}")
    for value in given:
        if not fits(value, annotation):
            raise ValueError(f"{name}: {value!r} is not {say_type(annotation)}")
    if twice := [value for index, value in enumerate(given) if value in given[:index]]:
        raise ValueError(f"{name} has {twice[0]!r} twice: give each value once")
    return Choices(tuple(given))


def sample(space: Space, number: int, seed: int) -> list[dict[str, Any]]:
    """Returns settings drawn from a space as a Latin hypercube: each setting takes values from all parts of its range.

    Args:
      space: the search space.
      number: how many.
      seed: the same seed draws the same settings.
    """
    shares = qmc.LatinHypercube(len(space), rng=seed).random(number)
    return [{name: each.at(share) for (name, each), share in zip(space.items(), row, strict=True)} for row in shares]
