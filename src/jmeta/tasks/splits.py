"""The splits of a distribution over tasks: training, validation and held-out tasks, and tasks out of distribution."""

import abc
import dataclasses
from typing import Literal, Self, TypeAlias

import jax
import jax.numpy as jnp

from jmeta.types import PyTree

Split: TypeAlias = Literal["train", "validation", "held-out", "ood"]
SPLITS: tuple[Split, ...] = ("train", "validation", "held-out", "ood")

GRID = 2**20  # cells of [0, 1)
CELLS: dict[Split, tuple[int, int]] = {"train": (2, 0), "ood": (2, 0), "held-out": (4, 1), "validation": (4, 3)}
"""Cells of each split: every how many, and the first. Tasks out of distribution differ in what they make of the number."""
FOLDS: dict[Split, int] = {"train": 0, "held-out": 1, "ood": 2, "validation": 3}


@dataclasses.dataclass(frozen=True)
class Splits(abc.ABC):
    """The part of a ``TaskDistribution`` that tells training tasks from others.

    Settings are chosen on validation tasks, and reported on held-out tasks; training draws neither.

    Attributes:
      split: the split that ``sample`` draws tasks from. Change it with ``train``, ``validation``, ``held_out`` and
        ``out_of_distribution``.
    """

    split: Split = dataclasses.field(default="train", kw_only=True)

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"split={self.split!r} is not one of {', '.join(SPLITS)}")
        if self.split == "ood" and not self.has_out_of_distribution:
            raise ValueError(f"{type(self).__name__} has no out-of-distribution tasks: evaluate on the held-out split instead")
        if self.split == "validation" and not self.has_validation:
            raise ValueError(f"{type(self).__name__} {self._why_none_is_for_validation}")
        if self.split == "held-out" and not self.has_held_out:
            raise ValueError(f"{type(self).__name__} {self._why_none_is_held_out}")

    @abc.abstractmethod
    def sample(self, key: jax.Array) -> PyTree:
        """Draws one task of this split."""

    @property
    def train(self) -> Self:
        """The same distribution on the training split."""
        return dataclasses.replace(self, split="train")

    @property
    def validation(self) -> Self:
        """The same distribution on the validation split, whose tasks neither training nor the held-out split draws."""
        return dataclasses.replace(self, split="validation")

    @property
    def has_validation(self) -> bool:
        """Returns whether there are tasks to choose settings on, which neither training nor the held-out split draws."""
        return self.has_held_out

    @property
    def _why_none_is_for_validation(self) -> str:
        if self.has_held_out:
            return "has held-out tasks and none for validation: see its settings for how to set some aside"
        return "sets no tasks aside for validation: choose settings on the training split, with another seed"

    @property
    def held_out(self) -> Self:
        """The same distribution on the held-out split, whose tasks training never draws."""
        return dataclasses.replace(self, split="held-out")

    @property
    def has_held_out(self) -> bool:
        """Returns whether there are tasks that training never draws; without them, evaluate on ``train``."""
        return True

    @property
    def _why_none_is_held_out(self) -> str:
        return "holds no tasks out: evaluate on the training split, with another seed"

    @property
    def has_out_of_distribution(self) -> bool:
        """Returns whether ``sample`` can draw tasks outside the training distribution's support."""
        return False

    @property
    def out_of_distribution(self) -> Self:
        """The same distribution on tasks outside the support of training."""
        return dataclasses.replace(self, split="ood")

    def on_split(self, split: Split) -> Self:
        """Returns the same distribution on a split by name.

        Raises:
          ValueError: if it has no such split.
        """
        return dataclasses.replace(self, split=split)

    def uniform(self, key: jax.Array, shape: tuple[int, ...] = ()) -> jax.Array:
        """Draws uniformly from (0, 1), from the middles of cells of width 2^-20.

        Training tasks have the even cells. Held-out and validation tasks have every other odd cell each. So no number is drawn
        for two of these splits, and each is uniform to 4e-6.
        """
        step, first = CELLS[self.split]
        cell = jax.random.randint(self._split_key(key), shape, 0, GRID // step)
        return (step * cell + first + 0.5).astype(jnp.float32) / GRID

    def _split_key(self, key: jax.Array) -> jax.Array:
        """Returns a key of this split, so that the same key does not give neighbouring tasks of several splits."""
        return jax.random.fold_in(key, FOLDS[self.split])

    @property
    def _splits(self) -> list[Self]:
        """Returns the distribution on each of its splits."""
        has = (True, self.has_validation, self.has_held_out, self.has_out_of_distribution)
        return [self.on_split(split) for split, there in zip(SPLITS, has, strict=True) if there]
