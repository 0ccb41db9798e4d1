"""From names and settings to learners, and back: what the command line knows, it reads off signatures and fields."""

import dataclasses
import difflib
import importlib
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from jmeta.algorithms import ALGORITHMS
from jmeta.outer.base import OuterLearner
from jmeta.tasks import TASKS, TaskDistribution
from jmeta.training import Recipe


def nearest(name: str, names: Iterable[str]) -> str:
    """The nearest name, as a question, and all of them."""
    names = list(names)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}There are: {', '.join(sorted(names))}"


def find_algorithm(name: str) -> Callable[..., OuterLearner]:
    """The composition of that name.

    Raises:
      ValueError: if there is none, with the nearest.
    """
    if name not in ALGORITHMS:
        raise ValueError(f"no algorithm is called {name!r}; {nearest(name, ALGORITHMS)}")
    return ALGORITHMS[name]


def find_task(name: str) -> type[TaskDistribution]:
    """The task distribution of that name, or the class at ``module:Class``.

    Raises:
      ValueError: if there is none, with the nearest.
    """
    if name in TASKS:
        return TASKS[name]
    if ":" not in name:
        raise ValueError(f"no task is called {name!r}; {nearest(name, TASKS)}; or one of your own as module:Class")
    module_name, _, class_name = name.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"can't find the task {name!r}: {error}; is its module on PYTHONPATH?") from error
    if not (inspect.isclass(found) and issubclass(found, TaskDistribution)):
        raise ValueError(f"{name!r} is not a TaskDistribution: subclass jmeta.tasks.TaskDistribution")
    return found


def settings(thing: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The settings of an algorithm or a task class, by name; the task distribution and the split are not among them."""
    parameters = inspect.signature(thing, eval_str=True).parameters
    return {name: p for name, p in parameters.items() if name not in ("tasks", "split")}


def build(recipe: Recipe) -> OuterLearner:
    """The learner that a recipe describes."""
    tasks = find_task(recipe.task)(**as_tuples(recipe.task_fields))
    return find_algorithm(recipe.algorithm)(tasks, **as_tuples(recipe.algorithm_fields))


def recipe_of(config: dict[str, Any], where: str) -> Recipe:
    """The recipe in a run's configuration.

    Raises:
      ValueError: if the run was started from Python, where no recipe is known.
    """
    if config.get("recipe") is None:
        raise ValueError(
            f"{where} was started from Python, so only Python knows how to build its learner: "
            "use jmeta.restore(outer, DIR) and jmeta.evaluate(...)"
        )
    return Recipe(**config["recipe"])


def as_tuples(fields: dict[str, Any]) -> dict[str, Any]:
    """JSON has lists where settings have tuples."""

    def as_tuple(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return tuple(as_tuple(item) for item in value)
        if isinstance(value, dict):
            return {name: as_tuple(item) for name, item in value.items()}
        return value

    return {name: as_tuple(value) for name, value in fields.items()}


def fields_of(settings_object: Any) -> dict[str, Any]:
    """A settings dataclass as a dictionary, one level deep."""
    return {field.name: getattr(settings_object, field.name) for field in dataclasses.fields(settings_object)}
