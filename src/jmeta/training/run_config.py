"""The configuration of a run, config.json: what it holds, and what is checked when it is read."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jmeta.outer.base import OuterLearner
from jmeta.training.formats import FORMAT, upgrade_config
from jmeta.training.provenance import describe, device, git_commit, versions
from jmeta.training.schema import misfit

CONFIG: dict[str, Any] = {
    "recipe": dict[str, Any] | None,
    "options": dict[str, Any] | None,
    "learner": dict[str, Any],
    "key": list[int],
    "key_implementation": str,
    "versions": dict[str, str],
    "git_commit": str | None,
    "device": str,
    "command": list[str],
    "resumed_with": list[dict[str, str]],
    "theta": str,
    "theta_from": dict[str, Any],
    "wandb_id": str,
}
"""Types of the entries of config.json, by key."""
REQUIRED = {"recipe", "options", "learner", "key"}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Recipe to build a learner again: names (``module:name`` for the user's own) and settings of algorithm and task."""

    algorithm: str
    algorithm_fields: dict[str, Any]
    task: str
    task_fields: dict[str, Any]


def run_config(outer: OuterLearner, key: jax.Array, recipe: Recipe | None, options: dict[str, Any] | None) -> dict[str, Any]:
    """Returns the content of config.json at the start of a run."""
    return {
        "format": FORMAT,
        "recipe": None if recipe is None else dataclasses.asdict(recipe),
        "options": options,
        "learner": describe(outer),
        "key": np.asarray(jax.random.key_data(key)).tolist(),
        "key_implementation": str(jax.random.key_impl(key)),
        "versions": versions(),
        "git_commit": git_commit(),
        "device": device(),
        "command": sys.argv,
    }


def _runs_near(file: Path) -> str:
    """Returns where runs are, if they are in the directory above or in those below."""
    parent, *below = file.parent.parent / file.name, *sorted(file.parent.glob(f"*/{file.name}"))
    if parent.is_file():
        return f"; {parent.parent} is one"
    return f"; there are runs in it, such as {below[0].parent}" if below else ""


def read_config(file: Path) -> dict[str, Any]:
    """Returns the configuration in ``file``, in the present format.

    Raises:
      FileNotFoundError: if there is none.
      ValueError: if it is damaged, or of a newer jmeta.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file.parent} is not a run directory: it has no {file.name}{_runs_near(file)}")
    try:
        config = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or nested thousands deep
        raise damaged_config(file, str(error)) from error
    if wrong := misfit(config, {"format": int}, {"format"}):
        raise damaged_config(file, wrong)
    if config["format"] > FORMAT:
        named = config.get("versions")
        author = named.get("jmeta", "?") if isinstance(named, dict) else "?"
        raise ValueError(
            f"{file.parent} was written by jmeta {author} in format {config['format']}; this jmeta reads formats up to "
            f"{FORMAT}: upgrade jmeta"
        )
    if wrong := misfit(config, CONFIG, REQUIRED):
        raise damaged_config(file, wrong)
    return upgrade_config(config)


def damaged_config(file: Path, reason: str) -> ValueError:
    """Returns the error to raise for an invalid config.json."""
    return ValueError(f"{file} is damaged ({reason}): restore it from a copy")
