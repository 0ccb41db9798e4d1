"""The index of recipes, index.toml."""

import functools
import importlib.resources
import tomllib
from pathlib import Path
from typing import Any

from jmeta.recipes.named import Measured, NamedRecipe
from jmeta.registry import close_names

INDEX = Path(str(importlib.resources.files("jmeta"))) / "recipes" / "index.toml"


def names() -> tuple[str, ...]:
    """Returns the names of all recipes, in order.

    Example:
      >>> import jmeta
      >>> "varibad/grid-navi" in jmeta.recipes.names()
      True
    """
    return tuple(sorted(_recipes()))


def get(name: str) -> NamedRecipe:
    """Returns the recipe of that name.

    Raises:
      ValueError: if there is none; the message names the nearest.

    Example:
      >>> import jmeta
      >>> named = jmeta.recipes.get("varibad/grid-navi")
      >>> named.recipe.algorithm, named.recipe.task_fields, named.num_steps, named.measured.seeds
      ('varibad', {'sight': 'one-hot'}, 1000, 1)
    """
    if name not in _recipes():
        near = f"did you mean {' or '.join(map(repr, close))}? " if (close := close_names(name, names())) else ""
        raise ValueError(f"no recipe is called {name!r}; {near}`jmeta list recipes` lists all of them")
    return _recipes()[name]


def find(name: str) -> NamedRecipe | None:
    """Returns the recipe of that name, or None."""
    return _recipes().get(name)


@functools.cache
def _recipes() -> dict[str, NamedRecipe]:
    return {name: _entry(name, **table) for name, table in tomllib.loads(INDEX.read_text("utf-8")).items()}


def _entry(name: str, measured: dict[str, Any], sources: list[str], **fields: Any) -> NamedRecipe:
    if "interval" in measured:
        measured = measured | {"interval": tuple(measured["interval"])}
    return NamedRecipe(name, measured=Measured(**measured), sources=tuple(sources), **fields)
