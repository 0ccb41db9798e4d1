"""Recipes: learners and their tasks written down as names and settings, and built again."""

import json
from typing import Any

from jmeta.outer.base import OuterLearner
from jmeta.registry.checks import check_setting
from jmeta.registry.find import find_algorithm, find_task
from jmeta.registry.serialization import same, settings_from_json, strict_misfit, to_json
from jmeta.registry.signatures import fields_of, settings
from jmeta.tasks import TaskDistribution
from jmeta.training import Recipe

RECIPE: dict[str, Any] = {"algorithm": str, "algorithm_fields": dict[str, Any], "task": str, "task_fields": dict[str, Any]}
"""Types of the entries of a recipe in config.json, by key."""


def build(recipe: Recipe) -> OuterLearner:
    """Builds the learner that a recipe describes.

    Raises:
      TypeError: if a function of the user's own returns something else.
    """
    tasks = _built(find_task(recipe.task), recipe.task_fields)
    algorithm = find_algorithm(recipe.algorithm)
    return checked_learner(algorithm(tasks, **settings_from_json(algorithm, recipe.algorithm_fields)), recipe.algorithm)


def _built(kind: type[TaskDistribution], fields: dict[str, Any]) -> TaskDistribution:
    return kind(**settings_from_json(kind, fields))


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
        read = settings_from_json(thing, json.loads(json.dumps(written[prefix])))
        for name, value in original.items():
            if not same(read[name], value):
                raise ValueError(
                    f"--{prefix}{name}={value!r} would be read back from JSON as {read[name]!r}, so a run with it could not "
                    f"be continued or evaluated: annotate it as a number, a string, a tuple, an enum, a Path or a "
                    "dataclass of those"
                )
    return Recipe(algorithm, written[""], task, written["task."])


def recipe_of(config: dict[str, Any], where: str) -> Recipe:
    """Returns the recipe in a run's configuration.

    Raises:
      ValueError: if it is damaged, or if the run was started from Python and so has no recipe.
    """
    recipe = config.get("recipe")
    if recipe is None:
        raise ValueError(
            f"{where} was started from Python, so only Python knows how to build its learner: "
            "use jmeta.load(DIR, outer=outer) in Python"
        )
    if wrong := strict_misfit(recipe, RECIPE, set(RECIPE), "recipe"):
        raise ValueError(f"the config.json of {where} is damaged ({wrong}): restore it from a copy")
    return Recipe(**recipe)


def check_fields(recipe: Recipe) -> None:
    """Raises ValueError for settings that do not exist or are of another type."""
    for thing, fields in (
        (find_algorithm(recipe.algorithm), recipe.algorithm_fields),
        (find_task(recipe.task), recipe.task_fields),
    ):
        annotations = {name: parameter.annotation for name, parameter in settings(thing).items()}
        for name, value in fields.items():
            check_setting(name, value, annotations)


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
        changed = [name for name in names if not same(getattr(again, name), getattr(tasks, name))]
        raise ValueError(
            f"{kind.__name__} built again from its settings as JSON is another distribution ({', '.join(changed)}): annotate the "
            "settings as numbers, strings, tuples, enums, Paths or dataclasses of those, which compare by value"
        )
