"""Observations and actions in the units of an environment: encoded for the agent, and scaled for the environment."""

import dataclasses
import functools
import math
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from jmeta.action_spaces import MultiDiscrete
from jmeta.observation_spaces import Composite, Leaf, Numbers, ObservationSpace, Part, Pixels, join

if TYPE_CHECKING:
    from jmeta.tasks.base import TaskDistribution


@dataclasses.dataclass(frozen=True)
class ObservationForm:
    """Converts observations of an environment to the vectors that an agent observes.

    Attributes:
      space: the space of the observations. Where it is plain numbers, a dictionary or tuple of arrays is flattened in
        the order of ``jax.tree.leaves``; a list is an array.
    """

    space: ObservationSpace

    @property
    def size(self) -> int:
        """Length of the vector."""
        return self.space.size

    @classmethod
    def of(cls, tasks: "TaskDistribution") -> "ObservationForm":
        """Returns the form of a task family's observations."""
        return cls(tasks.observation_space)

    def encode(self, observation: Any, batch: tuple[int, ...]) -> np.ndarray:
        """Returns observations of ``batch`` streams as vectors [*batch, size].

        An array [*batch, size] is taken to be the vectors themselves, unless it is one of integers that the space has itself.

        Raises:
          ValueError: for another shape, an integer out of range, or a number that is not finite.
        """
        space = Numbers(self.size) if self._is_encoded(observation, batch) else self.space
        if isinstance(space, Numbers) and batch and isinstance(observation, tuple) and len(observation) == batch[0]:
            raise ValueError(
                "observation: a tuple may hold one observation for each environment, or the parts of one; give an array, a list "
                "or a dictionary"
            )
        vector = join([part._replace(values=checked(part, batch)) for part in space.split(observation)], batch, np)
        if not np.isfinite(vector).all():
            raise ValueError("observation: a number of it is NaN or infinite; the agent's state is unchanged")
        if isinstance(self.space, Pixels) and ((vector < 0) | (vector > 1)).any():
            raise ValueError(
                f"observation: give bytes from {self.space.low:g} to {self.space.high:g}; a vector of other numbers is in [0, 1]"
            )
        return vector

    def _is_encoded(self, observation: Any, batch: tuple[int, ...]) -> bool:
        if isinstance(self.space, Numbers) or (isinstance(self.space, Composite) and not hasattr(observation, "dtype")):
            return False
        try:
            array = np.asarray(observation)
        except ValueError:  # lists of different lengths
            return False
        may_be_raw = isinstance(self.space, Leaf) and array.shape == (*batch, self.space.raw_size)
        return array.shape == (*batch, self.size) and not (may_be_raw and array.dtype.kind in "iu")


@dataclasses.dataclass(frozen=True)
class ActionBox:
    """Converts actions of an agent to the environment's own units.

    Attributes:
      num_actions: number of discrete actions, 0 .. num_actions - 1; None for continuous actions and for several choices.
      shape: shape of a continuous action, or of several choices.
      low: lowest action [*shape] of the environment, for continuous actions.
      high: highest action [*shape].
      counts: number of values of each of several choices, in C order; empty for other actions.
    """

    num_actions: int | None
    shape: tuple[int, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()

    @property
    def is_discrete(self) -> bool:
        """Whether actions are integers, one or several."""
        return self.num_actions is not None or bool(self.counts)

    @classmethod
    def of(cls, tasks: "TaskDistribution") -> "ActionBox":
        """Returns the action space of a task family's environment with its default parameters."""
        box, actions = tasks.action_box, tasks.action_space
        if isinstance(actions, MultiDiscrete):
            return cls(None, tasks.action_shape, counts=actions.counts)
        if box is None:
            return cls(actions.encoding_size)
        low, high = (tuple(map(float, side.reshape(-1))) for side in box)
        return cls(None, box.shape, low, high)

    def with_bounds(self, low: Any, high: Any) -> "ActionBox":
        """Returns the box of another environment, with the same number of axes.

        Raises:
          ValueError: for discrete actions, or bounds of another shape or order.
        """
        if self.is_discrete:
            raise ValueError("action_bounds: the actions of this agent are discrete; leave it out")
        sides = [np.broadcast_to(np.asarray(side, np.float32), self.shape).reshape(-1) for side in (low, high)]
        if not (sides[0] < sides[1]).all():
            raise ValueError(f"action_bounds=({low}, {high}): every lower bound must be below the upper one")
        trained, given = (np.isfinite(lower) & np.isfinite(upper) for lower, upper in ((self.low, self.high), sides))
        if (trained != given).any():
            raise ValueError(
                f"action_bounds=({low}, {high}): the agent acts in [-1, 1] where both bounds were finite in training, and in the "
                "environment's units elsewhere; give finite bounds for the same axes"
            )
        with np.errstate(over="ignore"):
            if not np.isfinite((sides[1] - sides[0])[given]).all():
                raise ValueError(f"action_bounds=({low}, {high}): a range of this size is none; give the bounds that matter")
        return dataclasses.replace(self, low=tuple(map(float, sides[0])), high=tuple(map(float, sides[1])))

    def to_environment(self, action: np.ndarray, batch: tuple[int, ...]) -> np.ndarray:
        """Returns the agent's actions [n], [n, K] or [n, size] in the environment's units, [*batch, *shape].

        As ``TaskDistribution.step`` does: -1 and 1 become the bounds of an axis where both are finite, and an axis with an
        infinite bound is only clipped.
        """
        if self.is_discrete:
            return np.array(action).reshape((*batch, *self.shape))
        low, high, bounded, base, width = self._sides
        scaled = base + (np.clip(action, -1.0, 1.0) + 1.0) * 0.5 * width
        mapped = np.where(bounded, scaled, np.clip(action, low, high)).astype(np.float32)
        return mapped.reshape((*batch, *self.shape))

    @functools.cached_property
    def _sides(self) -> tuple[np.ndarray, ...]:
        """Returns the bounds, whether both are finite, and the base and width of the interval where they are."""
        low, high = np.asarray(self.low, np.float32), np.asarray(self.high, np.float32)
        bounded = np.isfinite(low) & np.isfinite(high)
        return low, high, bounded, np.where(bounded, low, 0.0), np.where(bounded, high - low, 1.0)


def checked(part: Part, batch: tuple[int, ...]) -> Any:
    """Returns the values of a part as arrays; raises ValueError for another shape, or an integer that is out of range."""
    space = part.space
    leaves = [numbers_of(part.name, leaf) for leaf in jax.tree.leaves(part.values, is_leaf=_is_list)]
    fits = all(leaf.shape[: len(batch)] == batch for leaf in leaves)
    if not fits or not leaves or sum(leaf.size for leaf in leaves) != math.prod(batch) * space.raw_size:
        shapes = ", ".join(str(list(leaf.shape)) for leaf in leaves) or "nothing"
        lead = f", after the axes {list(batch)} of tasks and environments" if batch else ""
        raise ValueError(f"{part.name} has shape {shapes}: give {_expected(space)}{lead}")
    if not space.counts:
        return leaves
    integers = Numbers(space.raw_size).vector(leaves, batch, np)
    if ((integers < 0) | (integers >= np.asarray(space.counts)) | (integers != np.round(integers))).any():
        highest = [count - 1 for count in space.counts]
        raise ValueError(f"{part.name}={part.values}: it must be from 0 to {highest if highest[1:] else highest[0]}")
    return integers.astype(np.int32)


def _expected(space: Leaf) -> str:
    """Returns what an observation consists of, in words."""
    if not space.counts:
        return f"{space.size} number(s)"
    return f"{'an integer' if space.raw_size == 1 else f'{space.raw_size} integers'}, or {space.size} number(s)"


def numbers_of(name: str, values: Any) -> np.ndarray:
    """Returns a copy of numbers in single precision: callers may reuse their arrays.

    Raises:
      ValueError: if they are no numbers, or too large for single precision.
    """
    try:
        given = np.asarray(values)
        if given.dtype.kind not in "biuf":
            raise ValueError
        with np.errstate(over="ignore"):
            return np.array(given, np.float32)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"{name}={values!s:.80}: give numbers, in an array of one shape") from None


def _is_list(observation: Any) -> bool:
    return isinstance(observation, list)
