"""Specifications as TOML files, and those that come with jmeta."""

import importlib.resources
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from jmeta.comparison.plan import Comparison
from jmeta.comparison.spec.parse import SpecCell, parse_cell, parse_spec
from jmeta.registry import nearest

Parsed = TypeVar("Parsed")

SPECS = Path(str(importlib.resources.files("jmeta"))) / "specs"
"""Comparisons that come with jmeta, ``benchmarks/specs`` in its repository."""


def find_spec(spec: Path) -> Path:
    """Returns the file itself, or the one of that name that comes with jmeta.

    Raises:
      FileNotFoundError: if there is neither; the message names the nearest one.
    """
    if spec.exists() or spec.suffix or len(spec.parts) != 1:
        return spec
    shipped = {file.stem: file for file in SPECS.glob("*.toml")}
    if spec.name not in shipped:
        raise FileNotFoundError(
            f"there is no file {spec}, and no comparison of that name comes with jmeta; {nearest(spec.name, shipped)}"
        )
    return shipped[spec.name]


def read_spec(file: Path) -> Comparison:
    """Returns the comparison that a TOML file describes, with all its learners built.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is not TOML, or anything in it is wrong or missing.
    """
    return parsed(file, parse_spec)


def read_cell(file: Path, task: str, algorithm: str) -> SpecCell:
    """Returns one cell of the comparison that a TOML file describes; no other learner is built.

    Args:
      file: the file.
      task: name of a table of tasks.
      algorithm: name of a table of algorithms.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is not TOML, has no such tables, or anything in them is wrong.
    """
    return parsed(file, lambda spec: parse_cell(spec, task, algorithm))


def parsed(file: Path, parse: Callable[[dict[str, Any]], Parsed]) -> Parsed:
    """Reads a TOML file and parses its content; a ValueError names the file."""
    try:
        spec = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"there is no file {file}: give a TOML file, or the name of one that comes with jmeta, such as first"
        ) from error
    except ValueError as error:
        raise ValueError(f"{file} is not TOML: {error}") from error
    try:
        return parse(spec)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
