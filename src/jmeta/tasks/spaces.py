"""Converts the spaces of gymnax and gymnasium environments to a common form."""

from typing import Any, NamedTuple

import jax
import numpy as np
from gymnax.environments import spaces

from jmeta.observation_spaces import Categories, Named, Numbers, ObservationSpace, Ordered, Pixels


class BoxShape(NamedTuple):
    """A box, with lower and upper bounds of shape ``shape``, which may be infinite."""

    low: np.ndarray
    high: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.low.shape


class Count(NamedTuple):
    """Integers 0 .. n - 1."""

    n: int


class Counts(NamedTuple):
    """Arrays of integers 0 .. n - 1, with an n for each position."""

    n: np.ndarray

    @property
    def flat(self) -> tuple[int, ...]:
        """The counts of all positions, in C order."""
        return tuple(int(n) for n in self.n.reshape(-1))


def kind_of(space: Any) -> str:
    """Returns the name of a space's class in gymnax or gymnasium; "" for any other object."""
    for kind in (spaces.Discrete, spaces.Box, spaces.Dict, spaces.Tuple):
        if isinstance(space, kind):
            return kind.__name__
    return type(space).__name__ if type(space).__module__.partition(".")[0] == "gymnasium" else ""


def read_space(space: Any) -> BoxShape | Count | Counts | None:
    """Reads a ``Discrete``, ``Box``, ``MultiDiscrete`` or ``MultiBinary``; returns None for a space of another kind.

    Raises:
      ValueError: for a ``Discrete`` or ``MultiDiscrete`` of gymnasium that does not begin at 0.
    """
    kind = kind_of(space)
    if kind in ("Discrete", "MultiDiscrete"):
        start = np.asarray(getattr(space, "start", 0))
        if start.any():
            plain = f"Discrete({int(space.n)})" if kind == "Discrete" else f"MultiDiscrete({space.nvec.tolist()})"
            raise ValueError(
                f"the space {space} begins at {start.tolist()}: use {plain}, and add {start.tolist()} in step_env, or in a "
                "wrapper of a Gymnasium environment"
            )
        return Count(int(space.n)) if kind == "Discrete" else Counts(np.asarray(space.nvec))
    if kind == "MultiBinary":
        return Counts(np.full(space.shape, 2))
    if kind == "Box":
        low, high = (np.broadcast_to(np.asarray(side, np.float32), tuple(space.shape)) for side in (space.low, space.high))
        return BoxShape(low, high)
    return None


def read_observation_space(space: Any) -> ObservationSpace:
    """Reads an observation space of gymnax or gymnasium.

    Raises:
      ValueError: for a space that no vector of numbers stands for.
    """
    kind = kind_of(space)
    if kind == "Dict":
        names = list(space.spaces)
        if not all(isinstance(name, str) for name in names):
            raise ValueError(f"the space {space} has a name that is no string: name the parts of a Dict by strings")
        names.sort()
        return Named(tuple(read_observation_space(space.spaces[name]) for name in names), tuple(names))
    if kind == "Tuple":
        return Ordered(tuple(read_observation_space(part) for part in space.spaces))
    if kind == "MultiBinary":
        return Numbers(int(np.prod(space.shape)))
    found = read_space(space)
    if isinstance(found, BoxShape):
        is_image = np.dtype(space.dtype) == np.uint8 and found.low.size > 0
        return _pixels(space, found) if is_image else Numbers(found.low.size)
    counts = (found.n,) if isinstance(found, Count) else found.flat if isinstance(found, Counts) else ()
    if not counts:
        raise ValueError(
            f"the space {space} is none that networks can observe: give a Box, spaces.Box(-jnp.inf, jnp.inf, (n,)), a "
            "Discrete(n), gymnasium's MultiDiscrete or MultiBinary, or a Dict or Tuple of those"
        )
    if min(counts) < 1:
        raise ValueError(f"the space {space} has no value: one that observes nothing gives Discrete(1) and 0")
    return Categories(counts)


def check_parts(space: ObservationSpace, observation: Any, where: str) -> None:
    """Raises ValueError unless an observation has the parts of its space, each with as many numbers as it says.

    Args:
      space: the observation space.
      observation: arrays, or their shapes.
      where: what returned the observation, for the error.
    """
    try:
        parts = space.split(observation)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    for part in parts:
        found, expected = sum(leaf.size for leaf in jax.tree.leaves(part.values)), part.space.raw_size
        if found != expected:
            raise ValueError(
                f"{where}: {part.name} has {found} numbers, but its observation_space has {expected}: let it say what is observed"
            )


def _pixels(space: Any, box: BoxShape) -> Pixels:
    low, high = float(box.low.min()), float(box.high.max())
    if not low < high:
        raise ValueError(
            f"the space {space} of bytes goes from {low:g} to {high:g}: give its low and its high, usually 0 and 255"
        )
    return Pixels(box.low.size, low, high)
