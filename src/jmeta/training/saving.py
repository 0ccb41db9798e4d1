"""Where and when an engine writes checkpoints."""

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
    """Where and when checkpoints are written: always if a signal ends training, and as these attributes say.

    Attributes:
      checkpoints: the directory.
      every_steps: after every multiple of this number of outer steps.
      every_seconds: when this much time was spent in chunks since the last one.
      at_start: before the first step.
      at_end: after the last step.
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
