"""Ranges of a gymnax environment's parameters: how they are given, what can be drawn from them, and what lies beside them."""

import collections
import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.tasks.gymnax_environments import unknown_name
from jmeta.tasks.splits import GRID
from jmeta.types import PyTree

Range: TypeAlias = tuple[float, float]
if TYPE_CHECKING:
    Ranges: TypeAlias = Mapping[str, Range] | tuple[tuple[str, Range], ...]
else:  # what is stored, which the command line also reads: --ranges length 0.3 0.8 masspole 0.05 0.2
    Ranges: TypeAlias = tuple[tuple[str, Range], ...]

DERIVED: dict[str, dict[str, Callable[[Any], jax.Array]]] = {
    "CartPole-v1": {
        "total_mass": lambda params: params.masscart + params.masspole,
        "polemass_length": lambda params: params.masspole * params.length,
    },
}
"""Parameters that gymnax stores although they depend on others, by environment; they are recomputed for each task."""


def as_pairs(ranges: Ranges) -> tuple[tuple[str, Range], ...]:
    """Returns ranges as sorted pairs, from a dict, the command line or a file."""
    items = ranges.items() if isinstance(ranges, Mapping) else ranges
    try:
        pairs = sorted((str(name), (float(low), float(high))) for name, (low, high) in items)
    except (TypeError, ValueError) as error:
        raise ValueError(f"ranges={ranges!r}: give (low, high) for each name, as in {{'length': (0.3, 0.8)}}") from error
    for name, count in collections.Counter(name for name, _ in pairs).items():
        if count > 1:
            raise ValueError(f"ranges gives {name!r} {count} times: give each parameter one (low, high)")
    return tuple(pairs)


def check_range(env_id: str, params: PyTree, name: str, bounds: Range) -> None:
    """Raises ValueError unless the parameter ``name`` of an environment can be drawn from a range."""
    values = {field.name: getattr(params, field.name) for field in dataclasses.fields(params)}
    derived = DERIVED.get(env_id, {})
    floats = [name for name, value in values.items() if _is_float(value) and name not in (*derived, "max_steps_in_episode")]
    if name == "max_steps_in_episode":
        raise ValueError(f"ranges: {name!r} cannot vary, since every task of a batch runs equally long: set max_steps")
    if name in derived:
        raise ValueError(f"ranges: {name!r} of {env_id} follows from other parameters: choose from {', '.join(floats)}")
    if name not in values:
        raise unknown_name("ranges", name, f"parameter of {env_id}", floats)
    if name not in floats:
        raise ValueError(
            f"ranges: {name!r} of {env_id} is {values[name]!r}, and only a single float can be drawn: "
            f"choose from {', '.join(floats) or '(none)'}, or use held_fields"
        )
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"ranges: {name!r} is ({low}, {high}): give finite numbers with low < high")
    # Through two roundings to float32, neighbouring cells stay apart if they are more than 8/7 of its spacing wide.
    narrowest = 1.25 * GRID * float(np.spacing(np.float32(max(abs(low), abs(high)))))
    if high - low < narrowest:
        raise ValueError(
            f"ranges: {name!r} is ({low}, {high}), too narrow for float32 to keep training and held-out values apart: "
            f"numbers of this size need a range at least {narrowest:.3g} wide"
        )


def _is_float(value: Any) -> bool:
    if isinstance(value, jax.Array | np.ndarray):
        return value.ndim == 0 and bool(jnp.issubdtype(value.dtype, jnp.floating))
    return isinstance(value, float | np.floating)


def within(u: jax.Array, bounds: Range) -> jax.Array:
    """Maps u, uniform on (0, 1), to a range."""
    low, high = bounds
    return low + u * (high - low)


def beside(u: jax.Array, bounds: Range) -> jax.Array:
    """Maps u, uniform on (0, 1), to the two intervals beside a range."""
    low, high = bounds
    below = above = (high - low) / 2
    if low >= 0:
        below = min(below, low / 2)
    if high <= 0:
        above = min(above, -high / 2)
    bottom, top = np.float32(low), np.float32(low) + np.float32(high - low)  # as rounded in ``within``
    distance = u * (below + above)
    return jnp.where(distance < below, bottom - distance, top + (distance - below))
