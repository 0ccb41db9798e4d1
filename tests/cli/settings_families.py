"""Task families whose settings are of every kind that the command line knows, and one of a kind it does not."""

import dataclasses
import enum
from pathlib import Path
from typing import Any

import jax

from jmeta.tasks import BernoulliBandit, TaskDistribution
from tests.tasks.broken_families import Corridor, Params


@dataclasses.dataclass(frozen=True)
class Limits:
    low: float = 0.0
    high: float = 1.0


@dataclasses.dataclass(frozen=True)
class Derived:
    """A field that follows from another, and so is not given."""

    width: int = 1
    area: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "area", self.width**2)


class Perm(enum.Flag):
    READ = 1
    WRITE = 2
    RUN = 4


class Side(enum.Enum):
    LEFT = "left"
    RIGHT = "right"


@dataclasses.dataclass(frozen=True)
class Rich(TaskDistribution):
    """Corridors with settings of every kind."""

    environment: Corridor = Corridor()  # annotated, and yet no setting  # noqa: RUF009
    prizes: Limits = Limits()
    others: Limits = dataclasses.field(default_factory=lambda: Limits(-1.0, 0.0))
    side: Side = Side.LEFT
    file: Path = Path("prizes.txt")
    doors: frozenset[int] = frozenset({1, 2})
    pairs: tuple[tuple[str, float], ...] = (("a", 1.0),)
    scale: float | None = None

    def sample(self, key: jax.Array) -> Params:
        if not isinstance(self.file, Path) or not isinstance(self.side, Side) or not isinstance(self.doors, frozenset):
            raise TypeError("a setting was read as another type")
        return Params(prize=self.prizes.low + (self.prizes.high - self.prizes.low) * self.uniform(key))


@dataclasses.dataclass(frozen=True)
class Loose(TaskDistribution):
    """A setting that is annotated as what it is not, and is read as another one."""

    environment = Corridor()
    where: Any = Path("prizes.txt")

    def sample(self, key: jax.Array) -> Params:
        return Params(prize=self.uniform(key))


@dataclasses.dataclass(frozen=True)
class Slots(BernoulliBandit):
    """Slot machines.

    Args:
      num_arms: machines in the hall.
    """

    num_arms: int = 2
