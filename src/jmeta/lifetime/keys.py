"""Random keys of a lifetime: which key each part of it consumes.

``live`` and ``jmeta.Agent``, which acts step by step outside of a compiled program, derive their keys here, so that both draw
the same actions.
"""

from typing import NamedTuple

import jax


class LifetimeKeys(NamedTuple):
    """Random keys of a lifetime in a given task."""

    begin: jax.Array  # of ``inner.begin``, which a replay of the whole lifetime repeats
    start: jax.Array  # of the first episodes
    live: jax.Array  # of all that follows

    @classmethod
    def of(cls, begin_key: jax.Array, live_key: jax.Array) -> "LifetimeKeys":
        """Returns the keys of a lifetime from one of its beginning and one of everything else."""
        return cls(begin_key, *jax.random.split(live_key))


class TaskKeys(NamedTuple):
    """Random keys of a lifetime in a task that is drawn for it."""

    task: jax.Array
    lifetime: LifetimeKeys

    @classmethod
    def of(cls, key: jax.Array) -> "TaskKeys":
        """Returns the keys of a new task and of the lifetime in it."""
        task_key, begin_key, live_key = jax.random.split(key, 3)
        return cls(task_key, LifetimeKeys.of(begin_key, live_key))


class BetweenSegments(NamedTuple):
    """Random keys from the end of a segment to the end of the next one."""

    adapt: jax.Array
    episode: jax.Array  # of the episodes with which the next segment begins
    rollout: jax.Array

    @classmethod
    def of(cls, key: jax.Array) -> "BetweenSegments":
        """Returns the three keys."""
        return cls(*jax.random.split(key, 3))


class StepKeys(NamedTuple):
    """Random keys of a step of one stream."""

    act: jax.Array
    step: jax.Array  # of the environment's step
    reset: jax.Array  # of the next episode, if this one ends

    @classmethod
    def of(cls, key: jax.Array) -> "StepKeys":
        """Returns the three keys."""
        return cls(*jax.random.split(key, 3))


def segment_keys(live_key: jax.Array, num_segments: int) -> tuple[jax.Array, jax.Array]:
    """Returns the rollout key of the first segment, and the keys [num_segments - 1] of ``BetweenSegments`` for the others."""
    first_key, later_key = jax.random.split(live_key)
    return first_key, jax.random.split(later_key, num_segments - 1)


def step_keys(rollout_key: jax.Array, length: int, num_streams: int) -> jax.Array:
    """Returns the keys [length, num_streams] of ``StepKeys`` in a segment."""
    return jax.random.split(rollout_key, (length, num_streams))
