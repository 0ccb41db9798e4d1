"""Sums of costs."""

import functools
import operator
from collections.abc import Iterable
from typing import TypeVar

import jax

Costs = TypeVar("Costs")


def total(parts: Iterable[Costs], nothing: Costs) -> Costs:
    """Returns the sum of costs, field by field; ``nothing`` has a zero in each."""
    return functools.reduce(functools.partial(jax.tree.map, operator.add), parts, nothing)
