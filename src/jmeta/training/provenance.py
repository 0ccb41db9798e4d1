"""Provenance of a run: a description of its learner, package versions, device and git commit."""

import dataclasses
import functools
import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jmeta.networks import Network
from jmeta.outer.base import OuterLearner

PACKAGES = ("jmeta", "jax", "jaxlib", "flax", "optax", "gymnax", "numpyro", "orbax-checkpoint", "numpy")


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Returns the differences between two configurations, a line each."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = sorted(old.keys() | new.keys())
        return [line for n in names for line in differences(old.get(n), new.get(n), f"{path}.{n}" if path else n)]
    return [] if old == new else [f"{path}: was {old}, now {new}"]


def describe(thing: Any) -> Any:
    """Returns a learner as JSON: names, numbers and lists. Learners with equal descriptions compute the same."""
    if isinstance(thing, OuterLearner):
        template = jax.eval_shape(thing.init, jax.random.key(0))
        described = _describe_fields(thing)
        described["theta"] = {
            jax.tree_util.keystr(path, simple=True, separator="/"): f"{leaf.dtype}{list(leaf.shape)}"
            for path, leaf in jax.tree_util.tree_leaves_with_path(template.theta)
        }
        return described
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        return _describe_fields(thing)
    if isinstance(thing, Network):
        return "see theta"
    if isinstance(thing, functools.partial):
        return {"function": describe(thing.func)} | describe(thing.keywords)
    if isinstance(thing, dict):
        return {str(name): describe(value) for name, value in thing.items()}
    if isinstance(thing, tuple) and hasattr(thing, "_asdict"):
        return {"type": type(thing).__name__} | describe(thing._asdict())
    if isinstance(thing, list | tuple):
        return [describe(item) for item in thing]
    if isinstance(thing, str | int | float | bool) or thing is None:
        return thing
    if isinstance(thing, np.ndarray | np.generic | jax.Array):
        return np.asarray(thing).tolist()
    if callable(thing):
        return f"{thing.__module__}.{thing.__qualname__}"
    return repr(thing)


def _describe_fields(thing: Any) -> dict[str, Any]:
    fields = {field.name: describe(getattr(thing, field.name)) for field in dataclasses.fields(thing)}
    return {"type": type(thing).__name__} | fields


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PACKAGES}


def device() -> str:
    """Returns the devices in use, such as "2 x cpu"."""
    devices = jax.local_devices()
    return f"{len(devices)} x {devices[0].device_kind}"


def git_commit() -> str | None:
    """Returns the commit of the source tree that jmeta runs from, with "-dirty" if changed; None outside a checkout."""
    package = Path(__file__).parents[1]
    try:
        run = functools.partial(subprocess.run, cwd=package, capture_output=True, text=True, check=True, timeout=10)
        run(["git", "ls-files", "--error-unmatch", __file__])  # or else the checkout is of a project that only uses jmeta
        commit = run(["git", "rev-parse", "HEAD"]).stdout.strip()
        changed = run(["git", "status", "--porcelain", "--", "."]).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("-dirty" if changed else "")
