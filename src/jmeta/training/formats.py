"""Converts run directories of an earlier jmeta to the present format when they are read.

Format 2 renames settings and parts of the meta-state of format 1 to the field's standard terms.
"""

import re
from typing import Any

FORMAT = 2
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

_PATHS = (
    (re.compile(r"^extra\.slow\b"), "extra.target_parameters"),
    (re.compile(r"^by_task\.kept\b"), "by_task.replays"),
    (re.compile(r"^by_task\.recent\b"), "by_task.contexts"),
)


def upgrade_config(config: dict[str, Any]) -> dict[str, Any]:
    """Returns a checked config.json with the present names for the settings of its recipe and its learner."""
    if config["format"] >= FORMAT:
        return config
    upgraded = config | {"format": FORMAT, "learner": upgrade_learner(config["learner"])}
    if config["recipe"] is not None:
        upgraded["recipe"] = config["recipe"] | {"algorithm_fields": upgrade_learner(config["recipe"].get("algorithm_fields"))}
    return upgraded


def upgrade_path(path: str) -> str:
    """Returns the present path of an array of a checkpoint."""
    for former, present in _PATHS:
        path = former.sub(present, path)
    return path


def upgrade_learner(description: Any) -> Any:
    """Returns the description of a learner, or an algorithm's settings, with present names; those of its tasks stay."""
    if isinstance(description, dict):
        return {
            SETTINGS.get(name, name): value if name == "tasks" else upgrade_learner(value) for name, value in description.items()
        }
    return [upgrade_learner(value) for value in description] if isinstance(description, list) else description
