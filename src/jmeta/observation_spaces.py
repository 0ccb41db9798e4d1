"""Observation spaces: how an observation of an environment becomes the vector [size] that networks see.

Training encodes traced arrays by ``ObservationSpace.encode``, and a deployed agent NumPy's, so both see the same vector.
"""

import abc
import dataclasses
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Part(NamedTuple):
    """An array of an observation, or in the space of one kind that is not split further."""

    name: str  # such as "observation['door']"
    space: "Leaf"
    values: Any


class ObservationSpace(abc.ABC):
    """Base of observation spaces; a space is a tree of ``Leaf``.

    Attributes:
      size: length of the vector.
    """

    size: int

    @abc.abstractmethod
    def leaves(self) -> Iterator["Leaf"]:
        """Returns the spaces that are not split further, in the order of the vector."""

    @abc.abstractmethod
    def split(self, observation: Any, name: str = "observation") -> list[Part]:
        """Splits an observation into its parts, in the order of the vector.

        Raises:
          ValueError: if a part is missing, or there is one too many.
        """

    def encode(self, observation: Any, batch: tuple[int, ...] = (), xp: ModuleType = jnp) -> Any:
        """Returns observations of ``batch`` streams as vectors ``[*batch, size]``, by JAX or, with ``xp=numpy``, by NumPy.

        Raises:
          ValueError: if the observation does not have the parts of the space.
        """
        return join(self.split(observation), batch, xp)


def join(parts: list[Part], batch: tuple[int, ...], xp: ModuleType) -> Any:
    """Returns the vectors ``[*batch, size]`` of the parts of an observation."""
    vectors = [part.space.vector(part.values, batch, xp) for part in parts]
    return vectors[0] if len(vectors) == 1 else xp.concatenate(vectors, axis=-1)


class Leaf(ObservationSpace):
    """Base of spaces that are not split further.

    Attributes:
      raw_size: how many numbers an observation has before it is encoded.
      counts: lengths of the one-hot vectors that the vector consists of; empty if it has none.
    """

    raw_size: int
    counts: tuple[int, ...] = ()

    def leaves(self) -> Iterator["Leaf"]:
        yield self

    def split(self, observation: Any, name: str = "observation") -> list[Part]:
        return [Part(name, self, observation)]

    @abc.abstractmethod
    def vector(self, values: Any, batch: tuple[int, ...], xp: ModuleType) -> Any:
        """Returns values of ``batch`` streams as vectors ``[*batch, size]``."""


@dataclasses.dataclass(frozen=True)
class Numbers(Leaf):
    """Numbers or booleans, in arrays of any shape: flattened. A tree of arrays is read in the order of ``jax.tree.leaves``."""

    size: int

    @property
    def raw_size(self) -> int:  # type: ignore[override]
        return self.size

    def vector(self, values: Any, batch: tuple[int, ...], xp: ModuleType) -> Any:
        flat = [xp.asarray(leaf, xp.float32).reshape(*batch, -1) for leaf in jax.tree.leaves(values)]
        return flat[0] if len(flat) == 1 else xp.concatenate(flat, axis=-1)


@dataclasses.dataclass(frozen=True)
class Pixels(Leaf):
    """An image of unsigned bytes: flattened, and scaled so that ``low`` becomes 0 and ``high`` 1, the same for all pixels."""

    size: int
    low: float = 0.0
    high: float = 255.0

    @property
    def raw_size(self) -> int:  # type: ignore[override]
        return self.size

    def vector(self, values: Any, batch: tuple[int, ...], xp: ModuleType) -> Any:
        scale = 1.0 / (self.high - self.low)  # a product: XLA and NumPy would divide by a constant differently
        return (xp.asarray(values, xp.float32).reshape(*batch, -1) - xp.float32(self.low)) * xp.float32(scale)


@dataclasses.dataclass(frozen=True)
class Categories(Leaf):
    """Integers, each from 0 to its count - 1: one-hot, one after the other. An array of several axes is flattened."""

    counts: tuple[int, ...]

    @property
    def raw_size(self) -> int:  # type: ignore[override]
        return len(self.counts)

    @property
    def size(self) -> int:  # type: ignore[override]
        return sum(self.counts)

    def vector(self, values: Any, batch: tuple[int, ...], xp: ModuleType) -> Any:
        flat = xp.asarray(values).reshape(*batch, self.raw_size)
        one_hot = [flat[..., place, None] == xp.arange(count) for place, count in enumerate(self.counts)]
        return xp.concatenate(one_hot, axis=-1).astype(xp.float32)


@dataclasses.dataclass(frozen=True)
class Composite(ObservationSpace):
    """Base of spaces that have parts.

    Attributes:
      parts: the space of each.
    """

    parts: tuple[ObservationSpace, ...]

    @property
    def size(self) -> int:  # type: ignore[override]
        return sum(part.size for part in self.parts)

    def leaves(self) -> Iterator[Leaf]:
        for part in self.parts:
            yield from part.leaves()


@dataclasses.dataclass(frozen=True)
class Named(Composite):
    """A dictionary, or an object with attributes, whose parts are in the order of the sorted names.

    Attributes:
      names: the name of each part, sorted.
    """

    names: tuple[str, ...]

    def split(self, observation: Any, name: str = "observation") -> list[Part]:
        if not isinstance(observation, Mapping):
            observation = {each: getattr(observation, each) for each in self.names if hasattr(observation, each)}
        if observation.keys() != set(self.names):
            odd = sorted(map(str, observation.keys() ^ set(self.names)))[0]
            what = "has no" if odd in self.names else "has the unknown"
            raise ValueError(f"{name} {what} part {odd!r}: give a dictionary with the parts {', '.join(map(repr, self.names))}")
        named = zip(self.names, self.parts, strict=True)
        return [each for key, part in named for each in part.split(observation[key], f"{name}[{key!r}]")]


@dataclasses.dataclass(frozen=True)
class Ordered(Composite):
    """A tuple of parts, in their order."""

    def split(self, observation: Any, name: str = "observation") -> list[Part]:
        if not isinstance(observation, tuple | list) or len(observation) != len(self.parts):
            raise ValueError(f"{name}: give a tuple of the {len(self.parts)} parts of the observation space")
        placed = enumerate(zip(self.parts, observation, strict=True))
        return [each for place, (part, values) in placed for each in part.split(values, f"{name}[{place}]")]


KINDS: dict[str, type[ObservationSpace]] = {
    "numbers": Numbers,
    "pixels": Pixels,
    "categories": Categories,
    "named": Named,
    "ordered": Ordered,
}


def to_json(space: ObservationSpace) -> dict[str, Any]:
    """Returns a space as JSON."""
    kind = next(name for name, each in KINDS.items() if each is type(space))
    fields = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(space).items()}
    if "parts" in fields:
        fields["parts"] = [to_json(part) for part in fields["parts"]]
    return {"kind": kind, **fields}


def from_json(written: dict[str, Any]) -> ObservationSpace:
    """Returns the space that ``to_json`` wrote; raises KeyError or TypeError for anything else."""
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in written.items() if name != "kind"}
    if "parts" in fields:
        fields["parts"] = tuple(from_json(part) for part in fields["parts"])
    return KINDS[written["kind"]](**fields)
