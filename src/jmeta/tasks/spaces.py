"""Converts the spaces of gymnax and gymnasium environments to a common form."""

from typing import Any, NamedTuple

import numpy as np
from gymnax.environments import spaces


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


def read_space(space: Any) -> BoxShape | Count | None:
    """Reads a ``Discrete`` or ``Box`` of gymnax or gymnasium; returns None for a space of another kind.

    Raises:
      ValueError: for gymnasium's ``Discrete`` that does not begin at 0, since policies choose from 0 .. n - 1.
    """
    kind = type(space).__name__
    foreign = type(space).__module__.partition(".")[0] == "gymnasium"
    if isinstance(space, spaces.Discrete) or (foreign and kind == "Discrete"):
        start = int(getattr(space, "start", 0))
        if start:
            raise ValueError(f"the space {space} begins at {start}: use Discrete({int(space.n)}), and add {start} in step_env")
        return Count(int(space.n))
    if isinstance(space, spaces.Box) or (foreign and kind == "Box"):
        low, high = (np.broadcast_to(np.asarray(side, np.float32), tuple(space.shape)) for side in (space.low, space.high))
        return BoxShape(low, high)
    return None
