"""The checkpoints of an engine: their directory, and the steps at which they are written."""

import contextlib
import dataclasses
import math
from collections.abc import Callable
from typing import Generic, TypeVar

from jmeta.training.checkpoints import Checkpoints
from jmeta.types import PyTree

MAX_STEPS = 2**31 - 2  # steps are counted in 32 bits

State = TypeVar("State")


@dataclasses.dataclass(frozen=True)
class Saving(Generic[State]):
    """Writes checkpoints during a training. A signal that ends the training always writes one.

    Attributes:
      checkpoints: the directory.
      every_steps: a checkpoint is written after every multiple of this number of outer steps.
      every_seconds: one is written when this much time was spent in chunks since the last one.
      at_start: whether one is written before the first step.
      at_end: whether one is written after the last step.
      content: what is saved of a state and the seconds spent in chunks.
      writing: a context in which files are written; it may deal with their OSError.
    """

    checkpoints: Checkpoints
    every_steps: int = MAX_STEPS
    every_seconds: float = math.inf
    at_start: bool = False
    at_end: bool = True
    content: Callable[[State, float], PyTree] = lambda state, seconds: state
    writing: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext

    def save(self, step: int, state: State, seconds: float) -> None:
        with self.writing():
            self.checkpoints.save(step, self.content(state, seconds))
