"""Converts run directories of an earlier jmeta to the present format when they are read.

Format 2 renames settings and parts of the meta-state of format 1 to the standard terms of the field. Format 3 gives the fields of
three inner learners the names of their settings, and off-policy learners the names ``num_training_tasks`` for ``num_tasks`` and
``num_tasks`` for ``num_collected``, so that ``num_tasks`` is the size of the meta-batch in all learners. The lifetimes
that beliefs are learned from are an ``Experience`` in format 3.

Settings that had no effect in an algorithm, and that it no longer has, are left out of recipes of any format.
"""

import re
from typing import Any

import numpy as np

FORMAT = 3
"""Format in which runs are written."""

SETTINGS = {
    "adapt_slow_rate": "adapt_target_update_rate",
    "most_smoothing": "noise_clip",
    "moves": "adapted_parts",
    "num_recent": "num_contexts",
    "score": "segment_weights",
    "slow_rate": "target_update_rate",
    "smoothing": "target_policy_noise",
    "trace": "gae_lambda",
}
"""Present names of the settings of format 1."""

FIELDS = {
    "IMAML": {"clip_epsilon": "inner_clip_epsilon"},
    "MAMLDQN": {"capacity": "adapt_capacity"},
    "MQL": {"capacity": "adapt_capacity"},
    "OffPolicy": {"num_tasks": "num_training_tasks", "num_collected": "num_tasks"},
}
"""Present names of fields of formats 1 and 2, by class.

Descriptions of learners name classes without their modules. A subclass of ``OffPolicy`` is told by ``num_collected``. The fields
of other subclasses keep their names, so a run of such a learner is refused as one with other settings.
"""

ALGORITHM_FIELDS = {name: FIELDS["OffPolicy"] for name in ("dqn", "maml-dqn", "mql", "pearl", "sac", "td3")}
"""Present names of settings of formats 1 and 2, by algorithm."""

REMOVED: dict[str, dict[str, Any]] = {
    "dqn": {"num_contexts": 1},
    "maml-dqn": {"shaped": False},
    "mql": {"num_contexts": 1, "shaped": False},
    "sac": {"num_contexts": 1},
    "td3": {"num_contexts": 1},
}
"""Defaults of settings that an algorithm no longer has, by algorithm. A run with another value is refused."""

_IN_CELL = "0.state."
"""Prefix of the paths of a meta-state in the checkpoint of a comparison's cell, whose arrays have a leading axis of trainings."""
_PATHS = (
    (re.compile(r"^(0\.state\.)?extra\.slow\b"), r"\1extra.target_parameters"),
    (re.compile(r"^(0\.state\.)?by_task\.kept\b"), r"\1by_task.replays"),
    (re.compile(r"^(0\.state\.)?by_task\.recent\b"), r"\1by_task.contexts"),
)


def upgrade_config(config: dict[str, Any]) -> dict[str, Any]:
    """Returns a checked config.json with the present settings, by their present names, of its recipe and its learner."""
    if config["format"] >= FORMAT:
        return config | {"recipe": _without_removed(config["recipe"])}
    learner, recipe = config["learner"], config["recipe"]
    if config["format"] < 2:
        learner = upgrade_names(learner)
        if recipe is not None:
            recipe = recipe | {"algorithm_fields": upgrade_names(recipe.get("algorithm_fields"))}
    return config | {"format": FORMAT, "learner": upgrade_fields(learner), "recipe": _without_removed(_upgrade_recipe(recipe))}


def _upgrade_recipe(recipe: dict[str, Any] | None) -> dict[str, Any] | None:
    """Returns a recipe of format 2 with the names of format 3."""
    if recipe is None or not isinstance(fields := recipe.get("algorithm_fields"), dict):
        return recipe
    names = ALGORITHM_FIELDS.get(_algorithm_of(recipe), {})
    return recipe | {"algorithm_fields": {names.get(name, name): value for name, value in fields.items()}}


def _without_removed(recipe: dict[str, Any] | None) -> dict[str, Any] | None:
    """Returns a recipe without the settings that its algorithm no longer has, where they have their defaults."""
    if recipe is None or not isinstance(fields := recipe.get("algorithm_fields"), dict):
        return recipe
    removed = REMOVED.get(_algorithm_of(recipe), {})
    kept = {name: value for name, value in fields.items() if name not in removed or value != removed[name]}
    return recipe | {"algorithm_fields": kept}


def _algorithm_of(recipe: dict[str, Any]) -> str:
    """Returns the name of a recipe's algorithm, which may also be written as ``jmeta.algorithms:pearl``."""
    algorithm = str(recipe.get("algorithm"))
    return algorithm.rpartition(":")[2].replace("_", "-") if algorithm.startswith("jmeta.") else algorithm


def upgrade_path(path: str) -> str:
    """Returns the present path of an array of a checkpoint."""
    for former, present in _PATHS:
        path = former.sub(present, path)
    return path


def upgrade_arrays(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the arrays of a checkpoint by their present paths, as the present learner has them.

    Lifetimes that beliefs are learned from held the timestep after their last step, and not how episodes ended. All that a belief
    is told of that is whether an episode begins, so each end of an episode is read as a natural one.
    """
    arrays = {upgrade_path(path): array for path, array in arrays.items()}
    for record in ("by_task.", f"{_IN_CELL}by_task."):
        if f"{record}description" in arrays and f"{record}terminated" not in arrays:
            timesteps = {path: array for path, array in arrays.items() if path.startswith(f"{record}timestep.")}
            first = timesteps[f"{record}timestep.first"]  # [..., T + 1]
            ends = {f"{record}terminated": first[..., 1:], f"{record}truncated": np.zeros_like(first[..., 1:])}
            arrays |= {path: array.take(range(first.shape[-1] - 1), first.ndim - 1) for path, array in timesteps.items()} | ends
    return arrays


def upgrade_learner(description: Any) -> Any:
    """Returns the description of a learner of format 1 or 2 with present names; those of its tasks stay."""
    return upgrade_fields(upgrade_names(description))


def upgrade_names(description: Any) -> Any:
    """Returns the description of a learner, or an algorithm's settings, of format 1 with the names of format 2."""
    if isinstance(description, dict):
        return {
            SETTINGS.get(name, name): value if name == "tasks" else upgrade_names(value) for name, value in description.items()
        }
    return [upgrade_names(value) for value in description] if isinstance(description, list) else description


def upgrade_fields(description: Any) -> Any:
    """Returns the description of a learner of format 2 with the names of format 3."""
    if isinstance(description, dict):
        kind = description.get("type")
        names = FIELDS["OffPolicy"] if "num_collected" in description else FIELDS.get(str(kind), {})
        return {names.get(name, name): value if name == "tasks" else upgrade_fields(value) for name, value in description.items()}
    return [upgrade_fields(value) for value in description] if isinstance(description, list) else description
