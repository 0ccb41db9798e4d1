"""Learners from run directories, and whose code a directory may name.

A directory that somebody sends may name any module that Python can import, and importing a module runs it. So the classes of
jmeta are built without a word, and modules of one's own only where the command named them when it trained (remembered for this
user on this machine), or with ``--trust``.
"""

import importlib.util
import json
import os
from pathlib import Path

from jmeta.cli.registry import build, find_algorithm, find_task, nearest, recipe_of, settings
from jmeta.outer.base import OuterLearner
from jmeta.tasks import TASKS
from jmeta.training import Recipe, RunDirectory
from jmeta.training.schema import fits, say_type


def learner_of(run: Path, *, trust: bool = False) -> tuple[OuterLearner, Recipe]:
    """The learner of a run directory, and its recipe.

    Args:
      run: the directory.
      trust: whether to import the module that the directory names, if it is none of jmeta's.

    Raises:
      FileNotFoundError: if it is no run directory.
      ValueError: if the directory names code that is not trusted, or its config.json is damaged.
    """
    directory = RunDirectory(run)
    recipe = recipe_of(directory.read_config(), str(run))
    own = is_own(recipe)
    if own:
        if trust:
            remember(directory, recipe)
        elif not is_remembered(directory, recipe):
            raise ValueError(
                f"{run} was trained on {recipe.task!r}, so this command would run the code of {source_of(recipe)}: "
                "add --trust if you trust that code"
            )
    try:
        _check_fields(recipe)
        return build(recipe), recipe
    except (TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        if own:
            raise  # it may be a mistake in the user's code
        reason = str(error).splitlines()[0] if str(error) else repr(error)
        raise directory.damaged_config(f"its recipe can't be built: {reason}") from error
    except ValueError as error:
        if own:
            raise
        raise ValueError(f"{directory.config_file}: {error}") from error


def _check_fields(recipe: Recipe) -> None:
    """Raises ValueError for settings that do not exist or are of another type."""
    for thing, fields in (
        (find_algorithm(recipe.algorithm), recipe.algorithm_fields),
        (find_task(recipe.task), recipe.task_fields),
    ):
        known = settings(thing)
        for name, value in fields.items():
            if name not in known:
                raise ValueError(f"no setting is called {name!r}; {nearest(name, known)}")
            if not fits(value, known[name].annotation):
                raise ValueError(f"{name}={value!r} is not {say_type(known[name].annotation)}")


# Trust


def is_own(recipe: Recipe) -> bool:
    """Whether the task is code of the user's own rather than jmeta's."""
    return recipe.task not in TASKS and recipe.task.partition(":")[0].partition(".")[0] != "jmeta"


def source_of(recipe: Recipe) -> str:
    """The file that importing the task's module would run first, found without running it."""
    module = recipe.task.partition(":")[0].partition(".")[0]
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        found = None
    if found is None:
        return f"module {module!r} (which Python does not find)"
    return str(Path(found.origin or next(iter(found.submodule_search_locations or []), module)).resolve())


def remember(directory: RunDirectory, recipe: Recipe) -> None:
    """Notes that the user has chosen to run this code for this run. Where that can't be written, ``--trust`` is needed again."""
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


def is_remembered(directory: RunDirectory, recipe: Recipe) -> bool:
    """Whether this user ran this code for this run before: the same directory, the same class, of the same file."""
    return _read_store().get(str(directory.path)) == _named(recipe)


def _named(recipe: Recipe) -> str:
    return f"{recipe.task} of {source_of(recipe)}"


def _store() -> Path:
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "jmeta" / "trusted-runs.json"


def _read_store() -> dict[str, str]:
    try:
        known = json.loads(_store().read_bytes())
    except (OSError, ValueError):
        return {}
    return known if fits(known, dict[str, str]) else {}
