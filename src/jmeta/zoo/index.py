"""Agents of the zoo by name."""

import functools
import importlib.resources
import os
from pathlib import Path

from jmeta.registry import close_names
from jmeta.zoo.file import ZooAgent, read_agent

AGENTS = Path(str(importlib.resources.files("jmeta"))) / "zoo" / "agents"
"""The directory of the files: ``rl2/grid-navi`` is ``rl2--grid-navi.safetensors``."""
PREFIX = "zoo:"


def names() -> tuple[str, ...]:
    """Returns the names of all agents, in order.

    Example:
      >>> import jmeta
      >>> "rl2/grid-navi" in jmeta.zoo.names()
      True
    """
    return tuple(sorted(file.stem.replace("--", "/") for file in AGENTS.glob("*.safetensors")))


def is_zoo_name(run: str | os.PathLike[str]) -> bool:
    """Returns whether a run is named as an agent of the zoo, ``zoo:NAME``, and not as a directory."""
    return os.fspath(run).startswith(PREFIX)


def get(name: str) -> ZooAgent:
    """Returns the agent of that name, such as ``rl2/grid-navi`` or ``zoo:rl2/grid-navi``.

    Raises:
      ValueError: if there is none; the message names the nearest.

    Example:
      >>> import jmeta
      >>> jmeta.zoo.get("rl2/grid-navi").card.recipe
      'rl2/grid-navi'
    """
    name = name.removeprefix(PREFIX)
    if name not in names():
        near = f"did you mean {' or '.join(map(repr, close))}? " if (close := close_names(name, names())) else ""
        raise ValueError(f"no agent of the zoo is called {name!r}; {near}`jmeta list zoo` lists all of them")
    return _read(name)


@functools.cache
def _read(name: str) -> ZooAgent:
    return read_agent(AGENTS / f"{name.replace('/', '--')}.safetensors")
