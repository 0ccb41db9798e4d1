"""Learners and tasks by name: builds them from names and settings, and writes them down as a recipe.

An algorithm is named as in ``jmeta.algorithms.ALGORITHMS``, or ``module:function`` for one of the user's own. A task family is
named as in ``jmeta.tasks.TASKS``, or ``module:Class``. Settings are read off signatures and fields.
"""

import dataclasses
import difflib
import enum
import importlib
import inspect
import itertools
import json
import types
import typing
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax

from jmeta.algorithms import ALGORITHMS
from jmeta.outer.base import OuterLearner
from jmeta.tasks import TASKS, TaskDistribution
from jmeta.training import Recipe
from jmeta.training.schema import misfit

RECIPE: dict[str, Any] = {"algorithm": str, "algorithm_fields": dict[str, Any], "task": str, "task_fields": dict[str, Any]}
"""Types of the entries of a recipe in config.json, by key."""

OTHER_NAMES: dict[str, tuple[str, ...]] = {
    # Names that other libraries and papers use, in lower case and with hyphens, and the nearest names in jmeta.
    "a2c": ("average", "rl2"),
    "ppo": ("average", "rl2"),
    "policy-gradient": ("average", "rl2"),
    "ddpg": ("td3",),
    "trpo": ("maml-trpo",),
    "cma-es": ("rl2-cma-es",),
    "es": ("rl2-es", "es-maml"),
    "rl²": ("rl2",),
    "rl^2": ("rl2",),
    "rl-squared": ("rl2",),
    "gru": ("rl2",),
    "lstm": ("rl2",),
    "lr": ("learning-rate",),
    "outer-lr": ("learning-rate",),
    "inner-lr": ("inner-rates", "inner-rate"),
    "alpha": ("inner-rates", "inner-rate"),
    "gamma": ("discount",),
    "lambda": ("gae-lambda",),
    "entropy": ("entropy-coefficient",),
    "ent-coef": ("entropy-coefficient",),
    "clip": ("clip-epsilon",),
    "clip-range": ("clip-epsilon",),
    "steps": ("num-steps",),
    "iterations": ("num-steps",),
    "num-iterations": ("num-steps",),
    "meta-batch-size": ("num-tasks",),
    "batch-size": ("num-tasks",),
    "buffer-size": ("capacity",),
    "tau": ("target-update-rate",),
    "slow-rate": ("target-update-rate",),
    "num-recent": ("num-contexts",),
    "trace": ("gae-lambda",),
    "moves": ("adapted-parts",),
    "normalize": ("normalize-observations", "normalize-rewards"),
    "output": ("out",),
    "out-dir": ("out",),
}


def nearest(name: str, names: Iterable[str]) -> str:
    """Returns a message that asks whether the nearest name was meant, and lists all names."""
    names = list(names)
    there_are = f"here are: {', '.join(sorted(names))}"
    close = close_names(name, names)
    return f"did you mean {' or '.join(map(repr, close))}? T{there_are}" if close else f"t{there_are}"


def close_names(name: str, names: Iterable[str]) -> list[str]:
    """Returns the names that ``name`` may have meant.

    These are jmeta's own names for it; or else a name with almost the same spelling; or else the names that contain it as a
    word, as several contain "bandit"; or else the nearest in spelling. Capitals and underscores do not matter.
    """
    spelled = {_spelled(each): each for each in names}
    asked = _spelled(name)
    if other := [spelled[each] for each in OTHER_NAMES.get(asked, ()) if each in spelled]:
        return other
    near = difflib.get_close_matches(asked, spelled, n=1, cutoff=0.5)
    parts = sorted(whole for whole in spelled if asked in whole.split("-"))
    nearer = difflib.get_close_matches(asked, near, cutoff=0.8)
    return [spelled[each] for each in (nearer or parts or near)]


def _spelled(name: str) -> str:
    return name.lower().replace("_", "-")


def find_algorithm(name: str) -> Callable[..., OuterLearner]:
    """Returns the algorithm of that name, or the function at ``module:function``.

    Raises:
      ValueError: if there is none (the message names the nearest), or if the function can't be given settings by name.
    """
    if name in ALGORITHMS:
        return ALGORITHMS[name]
    if ":" not in name:
        raise ValueError(f"no algorithm is called {name!r}; {nearest(name, ALGORITHMS)}; or one of your own as module:function")
    found = _find_own(name, "algorithm")
    if not callable(found):
        raise ValueError(f"{name!r} is not a function: give one that takes a task distribution and returns an outer learner")
    _check_signature(name, found)
    return found


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


def find_task(name: str) -> type[TaskDistribution]:
    """Returns the task distribution of that name, or the class at ``module:Class``.

    Raises:
      ValueError: if there is none; the message names the nearest.
    """
    if name in TASKS:
        return TASKS[name]
    if ":" not in name:
        raise ValueError(f"no task is called {name!r}; {nearest(name, TASKS)}; or one of your own as module:Class")
    found = _find_own(name, "task")
    if not _is_family(found):
        raise ValueError(f"{name!r} is not a TaskDistribution: subclass jmeta.tasks.TaskDistribution")
    return found


def _is_family(thing: Any) -> bool:
    return inspect.isclass(thing) and issubclass(thing, TaskDistribution)


def _find_own(name: str, noun: str) -> Any:
    """Returns what ``module:attribute`` names.

    Raises:
      ValueError: if there is no such module, or it has no such attribute.
    """
    module_name, _, attribute = name.partition(":")
    if "/" in module_name or module_name.endswith(".py"):
        stem = Path(module_name).stem
        raise ValueError(f"the {noun} {name!r} names a file: run jmeta from its directory, with {stem}:{attribute}")
    if not all(part.isidentifier() for part in (*module_name.split("."), attribute)):
        raise ValueError(f"no {noun} is called {name!r}: one of your own is module:{'Class' if noun == 'task' else 'function'}")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if not (error.name and f"{module_name}.".startswith(f"{error.name}.")):
            raise  # it was found, and imports something that was not
        raise ValueError(f"can't find the {noun} {name!r}: {error}; is its module on PYTHONPATH?") from None
    if not hasattr(module, attribute):
        fits = _is_family if noun == "task" else inspect.isfunction
        own = [each for each, thing in vars(module).items() if fits(thing)]
        hint = f" did you mean {' or '.join(map(repr, near))}? Or" if (near := close_names(attribute, own)) else ""
        raise ValueError(
            f"can't find the {noun} {name!r}: {module.__file__} has no {attribute!r};{hint} is another {module_name!r} on "
            "PYTHONPATH?"
        )
    return getattr(module, attribute)


def settings(thing: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Returns the settings of an algorithm or a task class by name, without task distribution, split and environment."""
    parameters = inspect.signature(thing, eval_str=True).parameters
    factories: dict[str, Any] = {}
    if dataclasses.is_dataclass(thing):
        fields = dataclasses.fields(thing)
        factories = {f.name: f.default_factory for f in fields if f.default_factory is not dataclasses.MISSING}
    return {
        name: p.replace(annotation=_without_arrays(p.annotation), default=factories[name]() if name in factories else p.default)
        for name, p in parameters.items()
        if name not in ("tasks", "split", "environment")
    }


def _without_arrays(annotation: Any) -> Any:
    """Returns the type of a setting that is given as a number: a union without ``jax.Array``, which stands for traced numbers."""
    members = typing.get_args(annotation)
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType) or jax.Array not in members:
        return annotation
    return typing.Union[tuple(each for each in members if each is not jax.Array)]  # noqa: UP007


def build(recipe: Recipe) -> OuterLearner:
    """Builds the learner that a recipe describes.

    Raises:
      TypeError: if a function of the user's own returns something else.
    """
    tasks = _built(find_task(recipe.task), recipe.task_fields)
    algorithm = find_algorithm(recipe.algorithm)
    return checked_learner(algorithm(tasks, **_read(algorithm, recipe.algorithm_fields)), recipe.algorithm)


def checked_learner(built: Any, name: str) -> OuterLearner:
    """Returns what an algorithm built.

    Raises:
      TypeError: if it is not an outer learner.
    """
    if not isinstance(built, OuterLearner):
        raise TypeError(f"{name} returned {built!r:.100}, which is no outer learner: return a jmeta.outer.base.OuterLearner")
    return built


def recipe(algorithm: str, algorithm_settings: Any, task: str, task_settings: Any) -> Recipe:
    """Makes the recipe from which ``build`` makes the same learner again.

    Args:
      algorithm: its name, or ``module:function``.
      algorithm_settings: its settings, as a dataclass.
      task: the name of the task family, or ``module:Class``.
      task_settings: its settings, as a dataclass.

    Raises:
      ValueError: for a setting that JSON can't hold, or that changes when it is read back.
    """
    written = {}
    for prefix, thing, values in (("", find_algorithm(algorithm), algorithm_settings), ("task.", find_task(task), task_settings)):
        original = fields_of(values)
        written[prefix] = {name: to_json(value, f"--{prefix}{name}") for name, value in original.items()}
        read = _read(thing, json.loads(json.dumps(written[prefix])))
        for name, value in original.items():
            if not _same(read[name], value):
                raise ValueError(
                    f"--{prefix}{name}={value!r} would be read back from JSON as {read[name]!r}, so a run with it could not "
                    f"be continued or evaluated: annotate it as a number, a string, a tuple, an enum, a Path or a "
                    "dataclass of those"
                )
    return Recipe(algorithm, written[""], task, written["task."])


def check_round_trip(tasks: TaskDistribution) -> None:
    """Raises ValueError unless a task distribution can be built again from its settings as JSON.

    The command line builds them in this way when it evaluates or continues a run.
    """
    kind = type(tasks)
    if kind.__module__ == "__main__" or "<locals>" in kind.__qualname__:
        return  # no module:Class names it, so the command line can't be used with it
    names = settings(kind)
    written = {name: to_json(getattr(tasks, name), f"the setting {name!r} of {kind.__name__}") for name in names}
    again = _built(kind, json.loads(json.dumps(written)))
    if again != tasks.train:
        changed = [name for name in names if not _same(getattr(again, name), getattr(tasks, name))]
        raise ValueError(
            f"{kind.__name__} built again from its settings as JSON is another distribution ({', '.join(changed)}): annotate the "
            "settings as numbers, strings, tuples, enums, Paths or dataclasses of those, which compare by value"
        )


def _built(kind: type[TaskDistribution], fields: dict[str, Any]) -> TaskDistribution:
    return kind(**_read(kind, fields))


def _read(thing: Callable[..., Any], fields: dict[str, Any]) -> dict[str, Any]:
    known = settings(thing)
    return {name: from_json(known[name].annotation if name in known else Any, value) for name, value in fields.items()}


def _same(a: Any, b: Any) -> bool:
    """Returns whether two settings are equal; a list equals a tuple of the same items."""
    plain = lambda value: as_tuples({"": value})[""]  # noqa: E731
    return bool(plain(a) == plain(b)) or (a != a and b != b)


def to_json(value: Any, name: str) -> Any:
    """Returns a setting as JSON: dataclasses as objects, enums by name, paths as strings, sets as sorted lists.

    Raises:
      ValueError: for any other type, except numbers, strings, None, tuples, lists and dictionaries.
    """
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, str | bool | int | float) or value is None:
        return value
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name), f"{name}.{field.name}") for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [to_json(item, name) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(to_json(item, name) for item in value)
    if isinstance(value, dict):
        return {str(key): to_json(item, name) for key, item in value.items()}
    raise ValueError(
        f"{name} is a {type(value).__name__}, which JSON can't hold, so a run with it could be neither continued nor "
        "evaluated: make it a number, a string, a tuple, an enum, a Path or a dataclass of those"
    )


def from_json(annotation: Any, value: Any) -> Any:
    """Returns a setting from JSON in the type of its annotation; lists become tuples where it states no type."""
    if value is None:
        return None
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return from_json(arguments[0], value)
    if origin in (typing.Union, types.UnionType):
        return from_json(next((one for one in arguments if _takes(one, value)), Any), value)
    kind = origin or annotation
    if isinstance(kind, type):
        if issubclass(kind, enum.Enum):
            return kind[value]
        if issubclass(kind, Path):
            return kind(value)
        if issubclass(kind, set | frozenset):
            return kind(from_json(arguments[0] if arguments else Any, item) for item in value)
        if dataclasses.is_dataclass(kind) and isinstance(value, dict):
            return kind(**_read(kind, value))
        if issubclass(kind, tuple) and arguments and isinstance(value, list | tuple):
            each = itertools.repeat(arguments[0]) if arguments[-1] is Ellipsis else iter(arguments)
            return tuple(from_json(one, item) for one, item in zip(each, value, strict=False))
    return as_tuples({"": value})[""]


def _takes(annotation: Any, value: Any) -> bool:
    """Returns whether a member of a union is the type that this JSON was written from."""
    kind = typing.get_origin(annotation) or annotation
    if not isinstance(kind, type):
        return False
    if issubclass(kind, enum.Enum):
        return isinstance(value, str) and value in kind.__members__
    if dataclasses.is_dataclass(kind):
        return isinstance(value, dict) and value.keys() == {field.name for field in dataclasses.fields(kind)}
    return isinstance(value, str) if issubclass(kind, Path) else isinstance(value, kind)


def recipe_of(config: dict[str, Any], where: str) -> Recipe:
    """Returns the recipe in a run's configuration.

    Raises:
      ValueError: if it is damaged, or if the run was started from Python and so has no recipe.
    """
    recipe = config.get("recipe")
    if recipe is None:
        raise ValueError(
            f"{where} was started from Python, so only Python knows how to build its learner: "
            "use jmeta.restore(outer, DIR) and jmeta.evaluate(...)"
        )
    if wrong := misfit(recipe, RECIPE, set(RECIPE), "recipe."):
        raise ValueError(f"the config.json of {where} is damaged ({wrong}): restore it from a copy")
    if odd := recipe.keys() - RECIPE.keys():
        raise ValueError(f"the config.json of {where} is damaged (recipe has {min(odd)!r}): restore it from a copy")
    return Recipe(**recipe)


def as_tuples(fields: dict[str, Any]) -> dict[str, Any]:
    """Returns settings from JSON with their lists as tuples."""

    def as_tuple(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return tuple(as_tuple(item) for item in value)
        if isinstance(value, dict):
            return {name: as_tuple(item) for name, item in value.items()}
        return value

    return {name: as_tuple(value) for name, value in fields.items()}


def fields_of(settings_object: Any) -> dict[str, Any]:
    """Returns a settings dataclass as a dictionary, one level deep."""
    return {field.name: getattr(settings_object, field.name) for field in dataclasses.fields(settings_object)}
