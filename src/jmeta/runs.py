"""Opens run directories with ``load``, and checks whose code a directory names.

A run directory from somebody else may name any module that Python can import, and importing a module runs its code. Classes of
jmeta are always built. A module of the user's own is imported only if this user named it in the command that trained the run on
this machine, or with ``--trust``.
"""

import dataclasses
import importlib.util
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from jmeta.algorithms import ALGORITHMS
from jmeta.inner.base import InnerLearner
from jmeta.outer.base import OuterLearner
from jmeta.registry import build, find_algorithm, find_task, nearest, recipe_of, settings
from jmeta.tasks import TASKS, TaskDistribution
from jmeta.training import Recipe, RunDirectory, restore
from jmeta.training.schema import fits, say_type
from jmeta.types import MetaState, Protocol, Theta


@dataclasses.dataclass(frozen=True)
class LoadedRun:
    """An opened run directory: the learner, and its state at a checkpoint.

    Attributes:
      outer: the outer learner, with the settings of the run.
      theta: the deployed meta-parameters, ``outer.deploy(state)``.
      step: outer step of the checkpoint.
      state: meta-state of the checkpoint.
      config: content of config.json: settings of learner and tasks, key, versions, device.
    """

    outer: OuterLearner
    theta: Theta
    step: int
    state: MetaState
    config: dict[str, Any]

    @property
    def inner(self) -> InnerLearner:
        """The agent, to pass to ``jmeta.evaluate`` with ``theta``."""
        return self.outer.inner

    @property
    def tasks(self) -> TaskDistribution:
        """The task distribution that it was trained on."""
        return self.outer.tasks

    @property
    def protocol(self) -> Protocol:
        """The experience of a lifetime in training."""
        return self.outer.protocol


def load(
    run: str | os.PathLike[str], *, step: int | None = None, outer: OuterLearner | None = None, trust: bool = False
) -> LoadedRun:
    """Opens a run directory. Nothing in it is changed, so the run may still be under way.

    Args:
      run: the directory.
      step: outer step of the checkpoint; the newest intact one by default.
      outer: the learner of the run, needed if it was started from Python; runs of the command line record how to build it.
      trust: whether to import a module of the user's own that the directory names. Importing it runs its code.

    Returns:
      The learner, and theta at that step.

    Raises:
      FileNotFoundError: if there is no run or no checkpoint.
      ValueError: if the learner can't be built, if the directory names code that is not trusted, or if there is no checkpoint of
        that step.
      OSError: if all checkpoints, or the one asked for, are damaged.

    Example:
      >>> import jmeta
      >>> opened = jmeta.load("runs/bandit")  # doctest: +SKIP
      >>> result = jmeta.evaluate(  # doctest: +SKIP
      ...     opened.inner, opened.tasks.held_out, opened.theta, 0, protocol=opened.protocol
      ... )
    """
    if outer is None:
        outer, _ = learner_of(Path(run), trust=trust)
    step, state = restore(outer, run, step=step)
    return LoadedRun(outer, outer.deploy(state), step, state, RunDirectory(run).read_config())


def learner_of(run: Path, *, trust: bool = False) -> tuple[OuterLearner, Recipe]:
    """Returns the learner of a run directory, and its recipe.

    Args:
      run: the directory.
      trust: whether to import the module that the directory names, if it is not part of jmeta.

    Raises:
      FileNotFoundError: if it is not a run directory.
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
                f"{run} names {' and '.join(map(repr, own_names(recipe)))}, so this would run the code of {source_of(recipe)}: "
                "add --trust (in Python trust=True) if you trust that code"
            )
    try:
        _check_fields(recipe)
        return build(recipe), recipe
    except (TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        if own:
            raise  # the mistake may be in the user's code
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


def own_names(recipe: Recipe) -> list[str]:
    """Returns the names of task and algorithm that are code of the user's own rather than jmeta's."""
    named: list[tuple[str, Collection[str]]] = [(recipe.task, TASKS), (recipe.algorithm, ALGORITHMS)]
    return [name for name, known in named if name not in known and _top_module(name) != "jmeta"]


def is_own(recipe: Recipe) -> bool:
    """Returns whether a recipe names code of the user's own."""
    return bool(own_names(recipe))


def source_of(recipe: Recipe) -> str:
    """Returns the files that importing the user's modules would run first, found without running them."""
    return " and ".join(dict.fromkeys(_file_of(_top_module(name)) for name in own_names(recipe)))


def _top_module(name: str) -> str:
    return name.partition(":")[0].partition(".")[0]


def _file_of(module: str) -> str:
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        found = None
    if found is None:
        return f"module {module!r} (which Python does not find)"
    return str(Path(found.origin or next(iter(found.submodule_search_locations or []), module)).resolve())


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


def is_remembered(directory: RunDirectory, recipe: Recipe) -> bool:
    """Returns whether this user ran this code for this run before: same directory, same names, same files."""
    return _read_store().get(str(directory.path)) == _named(recipe)


def _named(recipe: Recipe) -> str:
    return f"{' and '.join(own_names(recipe))} of {source_of(recipe)}"


def _store() -> Path:
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "jmeta" / "trusted-runs.json"


def _read_store() -> dict[str, str]:
    try:
        known = json.loads(_store().read_bytes())
    except (OSError, ValueError):
        return {}
    return known if fits(known, dict[str, str]) else {}
