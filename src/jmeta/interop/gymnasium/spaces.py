"""Gymnasium's spaces of a task family, and observations in them.

Observations have the shape of the environment's own space, and integers are integers. A bound of 3.4e38, the largest number in
single precision, is infinite. An axis whose bounds are equal, as in a bandit that shows nothing, spans 0 and 1 too, since many
libraries divide by the width. Other observations, such as images of bytes, dictionaries and several integers, are the vector that
networks see (``jmeta.observation_spaces``): from 0 to 1 where all of it is one-hot or pixels, and else without bounds.
"""

import copy
import functools
import math
from typing import Any

import gymnasium
import numpy as np

from jmeta.observation_spaces import Categories, Numbers, Pixels
from jmeta.tasks import TaskDistribution
from jmeta.tasks.spaces import BoxShape, read_space
from jmeta.types import MultiDiscrete

WRONG_BOXES = ("GaussianBandit-misc", "MetaMaze-misc")
"""Environments of gymnax that observe rewards and times outside of the box that they declare (docs/workarounds.md)."""


def spaces_of(tasks: TaskDistribution) -> tuple[gymnasium.Space[Any], gymnasium.Space[Any]]:
    """Returns the spaces of observations and of actions, the latter in the environment's own units."""
    return copy.deepcopy(_spaces_of(tasks.train))  # a space has a random state


@functools.lru_cache(maxsize=128)
def _spaces_of(tasks: TaskDistribution) -> tuple[gymnasium.Space[Any], gymnasium.Space[Any]]:
    return _observation_space_of(tasks), _action_space_of(tasks)


def _action_space_of(tasks: TaskDistribution) -> gymnasium.Space[Any]:
    actions, box = tasks.action_space, tasks.action_box
    if box is not None:
        low, high = _bounds(box)
        return gymnasium.spaces.Box(low, high, dtype=np.float32)
    if isinstance(actions, MultiDiscrete):
        return gymnasium.spaces.MultiDiscrete(np.reshape(actions.counts, tasks.action_shape))
    return gymnasium.spaces.Discrete(actions.encoding_size)


def read_observation(space: gymnasium.Space[Any], vector: Any, batch: tuple[int, ...] = ()) -> Any:
    """Returns observations ``[*batch, observation_size]`` of jmeta as observations of a space, in arrays one can write to."""
    if isinstance(space, gymnasium.spaces.Discrete):
        return np.argmax(np.asarray(vector), axis=-1)
    return np.array(vector, np.float32).reshape(*batch, *(space.shape or ()))


def check_action(space: gymnasium.Space[Any], action: Any) -> np.ndarray:
    """Returns an action as an array; continuous actions outside of their box are clipped by the environment.

    Raises:
      ValueError: if it is of another shape, not an integer where actions are discrete, out of their range, or not finite.
    """
    given = np.asarray(action)
    wanted = f"give an action of {space}"
    if given.shape != space.shape or given.dtype.kind not in "iuf":
        raise ValueError(f"action={action!s:.80} has shape {list(given.shape)} and dtype {given.dtype}: {wanted}")
    if isinstance(space, gymnasium.spaces.Box):
        if not np.isfinite(given).all():
            raise ValueError(f"action={action!s:.80} has a number that is NaN or infinite: {wanted}")
        return given.astype(np.float32)
    if given.dtype.kind == "f":
        raise ValueError(f"action={action!s:.80} is of dtype {given.dtype}: {wanted}")
    most = space.n if isinstance(space, gymnasium.spaces.Discrete) else space.nvec  # type: ignore[attr-defined]
    if ((given < 0) | (given >= most)).any():
        raise ValueError(f"action={action!s:.80} is out of range: {wanted}")
    return given.astype(np.int32)


def _observation_space_of(tasks: TaskDistribution) -> gymnasium.Space[Any]:
    if tasks.num_observations is not None:
        return gymnasium.spaces.Discrete(tasks.num_observations)
    environment = tasks.environment
    found = read_space(environment.observation_space(tasks._example))
    leaves = list(tasks.observation_space.leaves())
    if not isinstance(found, BoxShape) or math.prod(found.shape) != tasks.observation_size or not isinstance(leaves[0], Numbers):
        is_unit = all(isinstance(leaf, Categories | Pixels) for leaf in leaves)
        least, most = (0.0, 1.0) if is_unit else (-np.inf, np.inf)
        return gymnasium.spaces.Box(least, most, (tasks.observation_size,), np.float32)
    if str(getattr(environment, "name", "")) in WRONG_BOXES:
        return gymnasium.spaces.Box(-np.inf, np.inf, found.shape, np.float32)
    low, high = _bounds(found)
    equal = low == high
    low, high = np.where(equal, np.minimum(low, 0.0), low), np.where(equal, np.maximum(high, 1.0), high)
    return gymnasium.spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)


def _bounds(box: BoxShape) -> tuple[np.ndarray, np.ndarray]:
    """Returns the bounds of a box, infinite where they are the largest number in single precision."""
    largest = np.finfo(np.float32).max
    low, high = np.array(box.low, np.float32), np.array(box.high, np.float32)
    return np.where(low <= -largest, -np.inf, low).astype(np.float32), np.where(high >= largest, np.inf, high).astype(np.float32)
