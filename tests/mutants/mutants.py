"""The list of mutants: what one is, how the list is read, and how one is put into a copy of the sources.

The list lies in the TOML files beside this one, a file for each area.
"""

import dataclasses
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import get_type_hints

ROOT = Path(__file__).parents[2]
KINDS = (
    "sign",  # of a term, or of a whole gradient
    "min-max",  # one for the other, an order reversed
    "stop-gradient",  # missing, or one too many
    "termination",  # ends ignored, or mistaken for time limits
    "dropped-term",  # of a loss, a target, a sum
    "boundary",  # off by one, or the wrong end
    "key",  # a random key used twice, or the same one for all
    "axis",  # of a mean or a sum, or its divisor
    "unused",  # a weight, a mask, a rate, an input that no longer matters
)


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A change of one line that matters, and the tests that notice it.

    Attributes:
      name: of the mutant, unique.
      kind: one of ``KINDS``.
      file: below src/jmeta.
      old: text that occurs once in the file.
      new: what takes its place.
      tests: files or ``file::test``, separated by spaces.
      slow: whether ``make test-slow`` kills it and ``make test`` does not.
    """

    name: str
    kind: str
    file: str
    old: str
    new: str
    tests: str
    slow: bool = False

    def __post_init__(self) -> None:
        for field, kind in get_type_hints(type(self)).items():
            if not isinstance(getattr(self, field), kind):
                raise ValueError(f"mutant {self.name!r}: {field}={getattr(self, field)!r} is not of type {kind.__name__}")
        if self.kind not in KINDS:
            raise ValueError(f"mutant {self.name!r}: kind={self.kind!r} is not one of {', '.join(KINDS)}")
        if self.old == self.new or not self.old:
            raise ValueError(f"mutant {self.name!r} changes nothing")
        if not self.tests.split():
            raise ValueError(f"mutant {self.name!r} names no tests: give files or file::test, separated by spaces")

    @property
    def path(self) -> Path:
        """Of the file, below the root of the sources."""
        return Path("src", "jmeta", self.file)

    @property
    def module(self) -> str:
        """That the file holds."""
        return ".".join(self.path.with_suffix("").parts[1:]).removesuffix(".__init__")

    def text(self, root: Path = ROOT) -> str:
        """The mutated file.

        Raises:
          ValueError: if the old text does not occur exactly once.
        """
        source = (root / self.path).read_text()
        if (number := source.count(self.old)) != 1:
            raise ValueError(
                f"mutant {self.name!r}: its old text occurs {number} times in {self.path}, not once: {self.old!r}. "
                "Give the text as it is now, with enough of its surroundings, or delete the mutant with the code it changed"
            )
        return source.replace(self.old, self.new)


def read_list(directory: Path = Path(__file__).parent) -> list[Mutant]:
    """All mutants, file by file.

    Raises:
      ValueError: if two have the same name, or one has an unknown field or misses one.
    """
    mutants = [
        _mutant(entry, path) for path in sorted(directory.glob("*.toml")) for entry in tomllib.loads(path.read_text())["mutant"]
    ]
    names = [mutant.name for mutant in mutants]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two mutants are called {', '.join(doubled)}: give each a name of its own")
    return mutants


def _mutant(entry: dict[str, object], path: Path) -> Mutant:
    try:
        return Mutant(**entry)  # type: ignore[arg-type]
    except TypeError as error:
        raise ValueError(f"{path.name}, mutant {entry.get('name')!r}: {error}") from error


def choose(mutants: list[Mutant], wanted: Iterable[str]) -> list[Mutant]:
    """Those wanted, each by its number from 1, its name, or a part of its name or file.

    Raises:
      ValueError: if something wanted fits none.
    """
    chosen: dict[str, Mutant] = {}
    for word in wanted:
        if word.isdecimal() and 1 <= int(word) <= len(mutants):
            fitting = [mutants[int(word) - 1]]
        else:
            fitting = [m for m in mutants if word == m.name] or [m for m in mutants if word in m.name or word in m.file]
        if not fitting:
            raise ValueError(f"no mutant is called {word!r}: `--list` shows the names of all {len(mutants)}")
        chosen |= {mutant.name: mutant for mutant in fitting}
    return list(chosen.values())
