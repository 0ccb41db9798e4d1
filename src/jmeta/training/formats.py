"""Run directories that an earlier jmeta wrote, read as if they were written now.

Format 2 has the field's standard names for settings and for parts of the meta-state that had names of their own in format 1.
"""

import re
from typing import Any

FORMAT = 2
"""What runs are written in."""

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
"""Settings of format 1, and what they are called now."""

_PATHS = (
    (re.compile(r"^extra\.slow\b"), "extra.target_parameters"),
    (re.compile(r"^by_task\.kept\b"), "by_task.replays"),
    (re.compile(r"^by_task\.recent\b"), "by_task.contexts"),
)


def upgrade_config(config: dict[str, Any]) -> dict[str, Any]:
    """Returns a checked config.json with the settings of its recipe and its learner called what they are called now."""
    if config["format"] >= FORMAT:
        return config
    upgraded = config | {"format": FORMAT, "learner": _renamed(config["learner"])}
    if config["recipe"] is not None:
        upgraded["recipe"] = config["recipe"] | {"algorithm_fields": _renamed(config["recipe"].get("algorithm_fields"))}
    return upgraded


def upgrade_path(path: str) -> str:
    """Returns the present path of an array of a checkpoint."""
    for former, present in _PATHS:
        path = former.sub(present, path)
    return path


def _renamed(fields: Any) -> Any:
    if isinstance(fields, dict):
        return {SETTINGS.get(name, name): _renamed(value) for name, value in fields.items()}
    return [_renamed(value) for value in fields] if isinstance(fields, list) else fields
