"""Checks whose code a run directory names, and whether this user has chosen to run it.

A run directory from somebody else may name any module that Python can import, and importing a module runs its code. Classes of
jmeta are always built. A module of the user's own is imported only if this user named it in the command that trained the run on
this machine, or with ``--trust``.
"""

import importlib.util
import json
import os
from collections.abc import Collection
from pathlib import Path

from jmeta.algorithms import ALGORITHMS
from jmeta.tasks import TASKS
from jmeta.training import Recipe, RunDirectory
from jmeta.training.schema import fits


def own_names(recipe: Recipe) -> list[str]:
    """Returns the names of task and algorithm that are code of the user's own rather than jmeta's."""
    named: list[tuple[str, Collection[str]]] = [(recipe.task, TASKS), (recipe.algorithm, ALGORITHMS)]
    return [name for name, known in named if name not in known and _top_module(name) != "jmeta"]


def is_own(recipe: Recipe) -> bool:
    """Returns whether a recipe names code of the user's own."""
    return bool(own_names(recipe))


def check_trusted(directory: RunDirectory, recipe: Recipe, run: Path, *, trust: bool) -> None:
    """Checks that the user has chosen to run the code that a run directory names.

    Args:
      directory: the run directory.
      recipe: its recipe.
      run: the path that the user gave, for the message.
      trust: whether the user chooses so now; it is remembered.

    Raises:
      ValueError: if it is the user's own code, neither trusted now nor remembered.
    """
    if trust:
        remember(directory, recipe)
    elif is_own(recipe) and not _is_remembered(directory, recipe):
        if lost := [top for top in map(_top_module, own_names(recipe)) if _origin_of(top) is None]:
            raise ValueError(
                f"{run} names {' and '.join(map(repr, own_names(recipe)))}, and Python does not find the module {lost[0]!r}: run "
                "this from the directory of that module, or add its directory to PYTHONPATH"
            )
        raise ValueError(
            f"{run} names {' and '.join(map(repr, own_names(recipe)))}, so this would run the code of {_source_of(recipe)}: "
            "add --trust (in Python trust=True) if you trust that code"
        )


def remember(directory: RunDirectory, recipe: Recipe) -> None:
    """Notes that the user has chosen to run this code for this run. If that can't be saved, ``--trust`` is needed again."""
    if not is_own(recipe):
        return
    known = _read_store() | {str(directory.path): _named(recipe)}
    file = _store()
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = file.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(known, indent=2) + "\n", "utf-8")
        temporary.replace(file)
    except OSError:
        return


def _is_remembered(directory: RunDirectory, recipe: Recipe) -> bool:
    """Returns whether this user ran this code for this run before: same directory, same names, same files."""
    return _read_store().get(str(directory.path)) == _named(recipe)


def _named(recipe: Recipe) -> str:
    return f"{' and '.join(own_names(recipe))} of {_source_of(recipe)}"


def _source_of(recipe: Recipe) -> str:
    """Returns the files that importing the user's modules would run first, found without running them."""
    return " and ".join(dict.fromkeys(_file_of(_top_module(name)) for name in own_names(recipe)))


def _top_module(name: str) -> str:
    return name.partition(":")[0].partition(".")[0]


def _file_of(module: str) -> str:
    origin = _origin_of(module)
    return f"module {module!r} (which Python does not find)" if origin is None else origin


def _origin_of(module: str) -> str | None:
    """Returns the file that importing a module would run first; None if Python does not find the module."""
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    if found is None:
        return None
    return str(Path(found.origin or next(iter(found.submodule_search_locations or []), module)).resolve())


def _store() -> Path:
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "jmeta" / "trusted-runs.json"


def _read_store() -> dict[str, str]:
    try:
        known = json.loads(_store().read_bytes())
    except (OSError, ValueError):
        return {}
    return known if fits(known, dict[str, str]) else {}
