"""Finds algorithms and task families by name: jmeta's, and the user's own as ``module:attribute``."""

import importlib
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from jmeta.algorithms import ALGORITHMS
from jmeta.outer.base import OuterLearner
from jmeta.registry.names import close_names, nearest
from jmeta.tasks import TASKS, TaskDistribution


def find_algorithm(name: str) -> Callable[..., OuterLearner]:
    """Returns the algorithm of that name, or the function at ``module:function``.

    Raises:
      ValueError: if there is none (the message names the nearest), or if the function can't be given settings by name.
    """
    if name in ALGORITHMS:
        return ALGORITHMS[name]
    found = _find_own(name, _ALGORITHM)
    if not callable(found):
        raise ValueError(f"{name!r} is not a function: give one that takes a task distribution and returns an outer learner")
    _check_signature(name, found)
    return found


def find_task(name: str) -> type[TaskDistribution]:
    """Returns the task distribution of that name, or the class at ``module:Class``.

    Raises:
      ValueError: if there is none; the message names the nearest.
    """
    if name in TASKS:
        return TASKS[name]
    found = _find_own(name, _TASK)
    if not _is_family(found):
        raise ValueError(f"{name!r} is not a TaskDistribution: subclass jmeta.tasks.TaskDistribution")
    return found


def find_either(name: str) -> Callable[..., Any]:
    """Returns the algorithm or the task family of that name, or at ``module:attribute``.

    Raises:
      ValueError: if there is none, or if it can be used as neither.
    """
    if name in ALGORITHMS or name in TASKS:
        return ALGORITHMS.get(name) or TASKS[name]
    return find_task(name) if inspect.isclass(_find_own(name, _EITHER)) else find_algorithm(name)


def _check_signature(name: str, function: Callable[..., Any]) -> None:
    """Raises ValueError unless a function takes ``tasks`` first and then settings by name, each with its type."""
    parameters = list(inspect.signature(function, eval_str=True).parameters.values())
    if not parameters or parameters[0].name != "tasks":
        raise ValueError(f"{name!r} must take the task distribution first, under the name 'tasks': def my_algorithm(tasks, ...)")
    for parameter in parameters[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ValueError(f"{name!r} takes {parameter}: list its settings one by one, so that they can be given by name")
        if parameter.annotation is parameter.empty:
            raise ValueError(f"the setting {parameter.name!r} of {name!r} has no type: write {parameter.name}: int, say")


def _is_family(thing: Any) -> bool:
    return inspect.isclass(thing) and issubclass(thing, TaskDistribution)


class _Kind(NamedTuple):
    noun: str
    names: Iterable[str]  # those of jmeta
    attribute: str  # what a name of the user's own names in its module
    is_one: Callable[[Any], bool]


_ALGORITHM = _Kind("algorithm", ALGORITHMS, "function", inspect.isfunction)
_TASK = _Kind("task", TASKS, "Class", _is_family)
_EITHER = _Kind("algorithm or task", [*ALGORITHMS, *TASKS], "name", lambda thing: inspect.isfunction(thing) or _is_family(thing))


def _find_own(name: str, kind: _Kind) -> Any:
    """Returns what ``module:attribute`` names.

    Raises:
      ValueError: if the name is not of this form, if there is no such module, or if it has no such attribute.
    """
    noun = kind.noun
    if ":" not in name:
        raise ValueError(
            f"no {noun} is called {name!r}; {nearest(name, kind.names)}; or one of your own as module:{kind.attribute}"
        )
    module_name, _, attribute = name.partition(":")
    if "/" in module_name or module_name.endswith(".py"):
        stem = Path(module_name).stem
        raise ValueError(f"the {noun} {name!r} names a file: run jmeta from its directory, with {stem}:{attribute}")
    if not all(part.isidentifier() for part in (*module_name.split("."), attribute)):
        raise ValueError(f"no {noun} is called {name!r}: one of your own is module:{kind.attribute}")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if not (error.name and f"{module_name}.".startswith(f"{error.name}.")):
            raise  # it was found, and imports something that was not
        raise ValueError(f"can't find the {noun} {name!r}: {error}; is its module on PYTHONPATH?") from None
    if not hasattr(module, attribute):
        own = [each for each, thing in vars(module).items() if kind.is_one(thing)]
        hint = f" did you mean {' or '.join(map(repr, near))}? Or" if (near := close_names(attribute, own)) else ""
        raise ValueError(
            f"can't find the {noun} {name!r}: {module.__file__} has no {attribute!r};{hint} is another {module_name!r} on "
            "PYTHONPATH?"
        )
    return getattr(module, attribute)
