"""Learners and tasks by name: builds them from names and settings, and writes them down as a recipe.

An algorithm is named as in ``jmeta.algorithms.ALGORITHMS``, or ``module:function`` for one of the user's own. A task family is
named as in ``jmeta.tasks.TASKS``, or ``module:Class``. Settings are read off signatures and fields.
"""

from jmeta.registry.checks import check_setting
from jmeta.registry.find import find_algorithm, find_either, find_task
from jmeta.registry.names import OTHER_NAMES, close_names, nearest
from jmeta.registry.recipes import build, check_fields, check_round_trip, checked_learner, recipe, recipe_of
from jmeta.registry.serialization import as_tuples, from_json, settings_from_json, strict_misfit, to_json
from jmeta.registry.signatures import fields_of, settings

__all__ = [
    "OTHER_NAMES",
    "as_tuples",
    "build",
    "check_fields",
    "check_round_trip",
    "check_setting",
    "checked_learner",
    "close_names",
    "fields_of",
    "find_algorithm",
    "find_either",
    "find_task",
    "from_json",
    "nearest",
    "recipe",
    "recipe_of",
    "settings",
    "settings_from_json",
    "strict_misfit",
    "to_json",
]
