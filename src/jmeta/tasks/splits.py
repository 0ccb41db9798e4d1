"""The splits of a distribution over tasks: training tasks, held-out tasks, and tasks out of distribution."""

import abc
import dataclasses
from typing import Literal, Self, TypeAlias

import jax
import jax.numpy as jnp

from jmeta.types import PyTree

Split: TypeAlias = Literal["train", "held-out", "ood"]
SPLITS: tuple[Split, ...] = ("train", "held-out", "ood")

GRID = 2**20  # cells of [0, 1), alternately for training and held-out tasks


@dataclasses.dataclass(frozen=True)
class Splits(abc.ABC):
    """The part of a ``TaskDistribution`` that tells training tasks from others.

    Attributes:
      split: the split that ``sample`` draws tasks from. Change it with ``train``, ``held_out`` and ``out_of_distribution``.
    """

    split: Split = dataclasses.field(default="train", kw_only=True)

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"split={self.split!r} is not one of {', '.join(SPLITS)}")
        if self.split == "ood" and not self.has_out_of_distribution:
            raise ValueError(f"{type(self).__name__} has no out-of-distribution tasks: evaluate on the held-out split instead")
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
        by_name = {"train": lambda: self.train, "held-out": lambda: self.held_out, "ood": lambda: self.out_of_distribution}
        return by_name[split]()

    def uniform(self, key: jax.Array, shape: tuple[int, ...] = ()) -> jax.Array:
        """Draws uniformly from (0, 1), from the even cells of width 2^-20 for training tasks and the odd ones for held-out tasks.

        So no number drawn for training is ever drawn for the held-out split, and both splits are uniform to 1e-6.
        """
        cell = jax.random.randint(self._split_key(key), shape, 0, GRID // 2)
        return (2 * cell + (self.split == "held-out") + 0.5).astype(jnp.float32) / GRID

    def _split_key(self, key: jax.Array) -> jax.Array:
        """Returns a key of this split, so that the same key does not give neighbouring tasks of several splits."""
        return jax.random.fold_in(key, SPLITS.index(self.split))

    @property
    def _splits(self) -> list[Self]:
        """Returns the distribution on each of its splits."""
        has: dict[Split, bool] = {"train": True, "held-out": self.has_held_out, "ood": self.has_out_of_distribution}
        return [dataclasses.replace(self, split=split) for split in SPLITS if has[split]]
