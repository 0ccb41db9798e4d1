"""Observations and actions in the units of an environment: encoded for the agent, and scaled for the environment."""

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

if TYPE_CHECKING:
    from jmeta.tasks.base import TaskDistribution


@dataclasses.dataclass(frozen=True)
class ObservationForm:
    """Converts observations of an environment to the vectors that an agent observes.

    Attributes:
      size: length of the vector.
      num_values: number of values of an observation that is an integer, which becomes one-hot; None for arrays, which are
        flattened. A dictionary or tuple of arrays is flattened in the order of ``jax.tree.leaves``; a list is an array.
    """

    size: int
    num_values: int | None = None

    @classmethod
    def of(cls, tasks: "TaskDistribution") -> "ObservationForm":
        """Returns the form of a task family's observations."""
        return cls(tasks.observation_size, tasks.num_observations)

    def encode(self, observation: Any, batch: tuple[int, ...]) -> np.ndarray:
        """Returns observations of ``batch`` streams as vectors [*batch, size].

        Raises:
          ValueError: for another shape, an integer out of range, or a number that is not finite.
        """
        if self.num_values is not None and (found := _one_hot(observation, batch, self.num_values)) is not None:
            return found
        if batch and isinstance(observation, tuple) and len(observation) == batch[0]:
            raise ValueError(
                "observation: a tuple may hold one observation for each environment, or the parts of one; give an array, a list "
                "or a dictionary"
            )
        leaves = [numbers_of("observation", leaf) for leaf in jax.tree.leaves(observation, is_leaf=_is_list)]
        if any(leaf.shape[: len(batch)] != batch for leaf in leaves) or not leaves:
            raise ValueError(self._wrong_shape(leaves, batch))
        flat = [leaf.reshape(*batch, -1) for leaf in leaves]
        vector = flat[0] if len(flat) == 1 else np.concatenate(flat, axis=-1)
        if vector.shape != (*batch, self.size):
            raise ValueError(self._wrong_shape(leaves, batch))
        if not np.isfinite(vector).all():
            raise ValueError("observation: a number of it is NaN or infinite; the agent's state is unchanged")
        return vector

    def _wrong_shape(self, leaves: list[np.ndarray], batch: tuple[int, ...]) -> str:
        shapes = ", ".join(str(list(leaf.shape)) for leaf in leaves) or "nothing"
        what = "an integer, or " if self.num_values is not None else ""
        lead = f", after the axes {list(batch)} of tasks and environments" if batch else ""
        return f"observation has shape {shapes}: give {what}{self.size} number(s){lead}"


@dataclasses.dataclass(frozen=True)
class ActionBox:
    """Converts actions of an agent to the environment's own units.

    Attributes:
      num_actions: number of discrete actions, 0 .. num_actions - 1; None for continuous ones.
      shape: shape of a continuous action.
      low: lowest action [*shape] of the environment, for continuous actions.
      high: highest action [*shape].
    """

    num_actions: int | None
    shape: tuple[int, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    @classmethod
    def of(cls, tasks: "TaskDistribution") -> "ActionBox":
        """Returns the action space of a task family's environment with its default parameters."""
        box = tasks.action_box
        if box is None:
            return cls(tasks.action_space.encoding_size)
        low, high = (tuple(map(float, side.reshape(-1))) for side in box)
        return cls(None, box.shape, low, high)

    def with_bounds(self, low: Any, high: Any) -> "ActionBox":
        """Returns the box of another environment, with the same number of axes.

        Raises:
          ValueError: for discrete actions, or bounds of another shape or order.
        """
        if self.num_actions is not None:
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
        """Returns the agent's actions [n] or [n, size] in the environment's units, [*batch, *shape].

        As ``TaskDistribution.step`` does: -1 and 1 become the bounds of an axis where both are finite, and an axis with an
        infinite bound is only clipped.
        """
        if self.num_actions is not None:
            return np.array(action).reshape(batch)
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


def _one_hot(observation: Any, batch: tuple[int, ...], num_values: int) -> np.ndarray | None:
    """Returns integers [*batch] as one-hot vectors; None if the observation is something else."""
    values = np.asarray(observation)
    if values.shape != batch or not np.issubdtype(values.dtype, np.integer):
        return None
    if ((values < 0) | (values >= num_values)).any():
        raise ValueError(f"observation={observation}: it must be from 0 to {num_values - 1}")
    vectors = np.zeros((*batch, num_values), np.float32)
    np.put_along_axis(vectors, values[..., None], 1.0, axis=-1)
    return vectors


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
