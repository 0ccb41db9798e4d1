"""The results of ``jmeta evaluate`` in a run directory, which are read from disk and may be damaged."""

import json
import warnings
from pathlib import Path
from typing import Any

from jmeta.training.schema import misfit

EVALUATION: dict[str, Any] = {
    "env_steps": list[float],
    "episode_returns": list[float],
    "episode_standard_errors": list[float | None],
    "infos": dict[str, list[float]],
    "num_tasks": int,
    "split": str,
    "protocol": dict[str, int],
    "reference": dict[str, Any] | None,
    "random": dict[str, float | None] | None,
}
"""Types of the entries of an evaluation that are read again, by key."""
REQUIRED = {"env_steps", "episode_returns", "episode_standard_errors", "num_tasks", "split"}


def newest_evaluation(folder: Path) -> dict[str, Any] | None:
    """Returns the newest evaluation in a folder that can be read; None if there is none.

    A RuntimeWarning each reports newer ones that are damaged.
    """
    for file in sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True):
        try:
            evaluation = json.loads(file.read_bytes())
            wrong = misfit(evaluation, EVALUATION, REQUIRED)
        except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or nested thousands deep
            wrong = str(error)
        if wrong is None:
            return evaluation
        warnings.warn(f"{file} is damaged ({wrong}), so it is left out: evaluate again", RuntimeWarning, stacklevel=3)
    return None
