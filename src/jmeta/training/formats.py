"""Converts run directories of an earlier jmeta to the present format when they are read.

Format 2 renames settings and parts of the meta-state of format 1 to the standard terms of the field. Format 3 gives the fields of
three inner learners the names of their settings, and off-policy learners the names ``num_training_tasks`` for ``num_tasks`` and
``num_tasks`` for ``num_collected``, so that ``num_tasks`` is the size of the meta-batch in all learners. The lifetimes
that beliefs are learned from are an ``Experience`` in format 3.
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
"""Present names of fields of formats 1 and 2, by class. Descriptions of learners name classes without their modules."""

ALGORITHM_FIELDS = {name: FIELDS["OffPolicy"] for name in ("dqn", "maml-dqn", "mql", "pearl", "sac", "td3")}
"""Present names of settings of formats 1 and 2, by algorithm."""

_PATHS = (
    (re.compile(r"^extra\.slow\b"), "extra.target_parameters"),
    (re.compile(r"^by_task\.kept\b"), "by_task.replays"),
    (re.compile(r"^by_task\.recent\b"), "by_task.contexts"),
)


def upgrade_config(config: dict[str, Any]) -> dict[str, Any]:
    """Returns a checked config.json with the present names for the settings of its recipe and its learner."""
    if config["format"] >= FORMAT:
        return config
    learner, recipe = config["learner"], config["recipe"]
    if config["format"] < 2:
        learner = upgrade_names(learner)
        if recipe is not None:
            recipe = recipe | {"algorithm_fields": upgrade_names(recipe.get("algorithm_fields"))}
    names = ALGORITHM_FIELDS.get(str(recipe.get("algorithm")), {}) if recipe is not None else {}
    if names and isinstance(recipe["algorithm_fields"], dict):
        fields = {names.get(name, name): value for name, value in recipe["algorithm_fields"].items()}
        recipe = recipe | {"algorithm_fields": fields}
    return config | {"format": FORMAT, "learner": upgrade_fields(learner), "recipe": recipe}


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
    if "by_task.description" not in arrays or "by_task.terminated" in arrays:
        return arrays
    timesteps = {path: array for path, array in arrays.items() if path.startswith("by_task.timestep.")}
    terminated = timesteps["by_task.timestep.first"][:, :, 1:]  # [task, lifetime, T + 1] before
    ends = {"by_task.terminated": terminated, "by_task.truncated": np.zeros_like(terminated)}
    return arrays | {path: array[:, :, :-1] for path, array in timesteps.items()} | ends


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
        names = FIELDS.get(kind, {}) if isinstance(kind, str) else {}
        return {names.get(name, name): value if name == "tasks" else upgrade_fields(value) for name, value in description.items()}
    return [upgrade_fields(value) for value in description] if isinstance(description, list) else description
