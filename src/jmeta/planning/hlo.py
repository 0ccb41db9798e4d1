"""A reader of XLA's compiled programs in text, as ``compiled.as_text()`` gives them."""

import math
import re
from typing import NamedTuple

SIZES = {"pred": 1, "c64": 8, "c128": 16, "token": 0}
"""Bytes of an element of those types that do not say their number of bits."""
ARRAY = re.compile(r"([a-z]+)(\d*)[a-z0-9]*\[([\d,]*)\](\{[^}]*\})?")
ON_CHIP = re.compile(r"S\([1-9]")
"""In a layout: the array lies in a memory of the chip itself, and not in the device's main memory."""
HEADER = re.compile(r"(ENTRY )?%?([\w.\-]+) \(.*\{$")
LINE = re.compile(r"\s+(ROOT )?%?([\w.\-]+) = (.*)$")
NAMES = re.compile(r"%([\w.\-]+)")


class Instruction(NamedTuple):
    """An instruction of a computation."""

    name: str
    shape: str  # of its result
    opcode: str
    operands: tuple[str, ...]
    literal: str  # what is between its parentheses
    attributes: str
    is_root: bool

    def attribute(self, name: str) -> list[str]:
        """Returns the names of computations in an attribute, such as the ``body`` of a loop."""
        found = re.search(rf"\b{name}=(\{{[^}}]*\}}|%[\w.\-]+)", self.attributes)
        return NAMES.findall(found[1]) if found else []


class HLO(NamedTuple):
    """A program: its computations by name, each with its instructions by name, in order."""

    computations: dict[str, dict[str, Instruction]]
    entry: str


def read_hlo(text: str) -> HLO:
    """Returns the program that a text describes.

    Raises:
      ValueError: if the text has no entry computation.
    """
    computations: dict[str, dict[str, Instruction]] = {}
    entry, current = "", dict[str, Instruction]()
    for line in text.splitlines():
        if header := HEADER.match(line):
            current = computations.setdefault(header[2], {})
            entry = header[2] if header[1] else entry
        elif found := LINE.match(line):
            current[found[2]] = _instruction(found[2], found[3], bool(found[1]))
    if not entry:
        raise ValueError("this is no compiled program of XLA: it has no ENTRY computation")
    return HLO(computations, entry)


def _instruction(name: str, rest: str, is_root: bool) -> Instruction:
    shape_end = _end(rest, " ")
    shape, rest = rest[:shape_end], rest[shape_end + 1 :]
    opcode, _, rest = rest.partition("(")
    close = _end(rest, ")")
    return Instruction(name, shape, opcode, tuple(NAMES.findall(rest[:close])), rest[:close], rest[close + 1 :], is_root)


def _end(text: str, mark: str) -> int:
    """Returns the position of the first ``mark`` that is outside of all brackets."""
    depth = 0
    for place, letter in enumerate(text):
        if letter == mark and depth == 0:
            return place
        depth += (letter in "([{") - (letter in ")]}")
    return len(text)


def bytes_of(shape: str, *, everywhere: bool = False) -> int:
    """Returns the bytes of an array, or of a tuple of arrays, that lie in main memory, or ``everywhere``."""
    total = 0
    for kind, bits, sizes, layout in ARRAY.findall(shape):
        if ON_CHIP.search(layout) and not everywhere:
            continue
        number = math.prod(int(size) for size in sizes.split(",") if size)
        each = SIZES.get(kind + bits, int(bits) / 8 if bits else 1)
        total += math.ceil(number * each)
    return total


def arrays_of(shape: str) -> list[str]:
    """Returns the shapes of the arrays in a tuple, or the shape itself in a list."""
    return [found[0] for found in ARRAY.finditer(shape)] if shape.startswith("(") else [shape]
