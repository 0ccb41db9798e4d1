"""Observers of a training, which an engine calls after each chunk of outer steps."""

import abc
import dataclasses
from typing import Generic, TypeVar

import numpy as np

State = TypeVar("State")


@dataclasses.dataclass(frozen=True)
class Chunk:
    """A chunk of outer steps that has run.

    Attributes:
      first_step: number of outer steps before it.
      step: number of outer steps after it.
      took: its duration in seconds.
      seconds: the duration of all chunks until its end, including those before a resume.
      metrics: name to values [step - first_step, ...].
    """

    first_step: int
    step: int
    took: float
    seconds: float
    metrics: dict[str, np.ndarray]


class Observer(abc.ABC, Generic[State]):
    """Is told of a training's chunks: it logs metrics, checks them and shows progress."""

    @abc.abstractmethod
    def compiled(self, seconds: float) -> None:
        """The program has been compiled and the state made, in that time."""

    def before(self, state: State) -> None:
        """A chunk begins, which takes ``state`` away: whoever needs a part of it copies that part now."""

    @abc.abstractmethod
    def after(self, chunk: Chunk, state: State) -> bool:
        """Records the metrics of a chunk that has ended with ``state``; returns False if training has no purpose any more."""

    @abc.abstractmethod
    def report(self, chunk: Chunk) -> None:
        """Shows progress. A checkpoint that was due after this chunk has been handed over."""
