"""The theta that a training begins with, if it is given: where it comes from, and whether it fits the learner."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.agent.programs import hash_arrays
from jmeta.inner.base import InnerLearner
from jmeta.training.arrays import to_arrays
from jmeta.types import MetaState, PyTree

MOST_LISTED = 5  # leaves of each kind in a message


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """The meta-parameters of a run, to begin another training with, and where they come from.

    Attributes:
      theta: the meta-parameters that the run trained, ``state.theta``.
      run: the run directory.
      step: outer step of the checkpoint.
      config: content of its config.json.
    """

    theta: PyTree
    run: str
    step: int
    config: dict[str, Any]

    def check_units(self, learner: dict[str, Any]) -> None:
        """Raises ValueError unless the new learner normalises the same, so that its agent sees what theta was trained on.

        Args:
          learner: description of the new learner, as config.json has it.
        """
        for what in ("observations", "rewards"):
            there, here = (each.get("type") == "Normalising" and each[what] for each in (self.config["learner"], learner))
            if there != here:
                name, option = f"normalize_{what}", f"--{'' if there else 'no-'}normalize-{what}"
                raise ValueError(
                    f"{self.run} was trained with {name}={there} and this learner has {name}={here}, so its agent would see "
                    f"other {what} than theta was trained on: give {name}={there} ({option})"
                )

    def origin(self) -> dict[str, Any]:
        """Returns where theta comes from, for config.json."""
        recipe = self.config.get("recipe") or {}
        named = {name: recipe[name] for name in ("algorithm", "task") if name in recipe}
        return {"run": self.run, "step": self.step} | named


def described_origin(theta: PyTree, pretrained: Pretrained | None) -> dict[str, Any]:
    """Returns the entry of config.json that says what theta a run began with: its SHA-256, and the run if that is known."""
    return (pretrained.origin() if pretrained else {}) | {"sha256": hash_arrays(to_arrays(theta)).hexdigest()}


def checked_theta(inner: InnerLearner, theta: PyTree, template: PyTree, name: str = "theta") -> PyTree:
    """Returns theta as JAX arrays in the structure of ``template``.

    Args:
      inner: the agent that it is for.
      theta: meta-parameters.
      template: the shapes of the agent's own.
      name: what theta is called in a message.

    Raises:
      TypeError: if theta is a meta-state, a training's result, a path or anything else than a tree of arrays.
      ValueError: if a leaf is missing, unknown or of another shape or dtype (one message lists them), or is not finite.
    """
    _check_arrays(theta, name)
    theta = _in_precision_of(template, theta)
    if lines := misfits(theta, template):
        parts = "\n  ".join(lines)
        raise ValueError(f"{name} belongs to another agent than this {type(inner).__name__}, and does not fit it:\n  {parts}")
    leaves = _by_path(theta)
    for path, leaf in leaves.items():
        if jnp.issubdtype(leaf.dtype, jnp.inexact) and not np.isfinite(leaf).all():
            raise ValueError(f"theta can't be trained: {path} is not finite; give the theta of an earlier checkpoint")
    return jax.tree.unflatten(jax.tree.structure(template), [jnp.asarray(leaves[path]) for path in _by_path(template)])


def _check_arrays(theta: PyTree, name: str) -> None:
    """Raises TypeError unless theta is a tree of arrays; the message names what is to be given instead."""
    if isinstance(theta, MetaState):
        raise TypeError(f"{name} is a meta-state: give its .theta")
    if isinstance(theta, str | os.PathLike):
        raise TypeError(f"{name}={theta!r} is a path: give jmeta.load({str(theta)!r}).pretrained")
    if hasattr(type(theta), "pretrained"):
        raise TypeError(f"{name} is a {type(theta).__name__}: give its .pretrained")
    if isinstance(getattr(theta, "state", None), MetaState):
        raise TypeError(f"{name} is a {type(theta).__name__}: give its .state.theta")
    for path, leaf in _by_path(theta).items():
        if not isinstance(leaf, jax.Array | np.ndarray | np.generic | int | float):
            what = f"{path} of {name}" if path else name
            remedy = "give a tree of arrays, such as the .state.theta of a training's result"
            raise TypeError(f"{what} is of type {type(leaf).__name__}: {remedy}")


def _in_precision_of(template: PyTree, theta: PyTree) -> PyTree:
    """Returns theta with its numbers of 64 bits, which are NumPy's default, in the precision of the template's."""
    there = _by_path(template)

    def narrow(path: Any, leaf: Any) -> Any:
        like, kind = there.get(_name(path)), leaf.dtype if hasattr(leaf, "dtype") else np.result_type(leaf)
        if like is None or kind not in (np.float64, np.int64) or kind.kind != np.dtype(like.dtype).kind:
            return leaf
        return np.asarray(leaf).astype(like.dtype)

    return jax.tree_util.tree_map_with_path(narrow, theta)


def misfits(theta: PyTree, template: PyTree) -> list[str]:
    """Returns the leaves of theta that do not fit the template, a line for each; no more than five of each kind.

    Leaves are told apart by path. A path that only one of the two has is missing or unknown, the others differ in shape or dtype.
    """
    there, here = _by_path(theta), _by_path(template)
    differing = [
        f"{path} is {_said(there[path])} there, {_said(here[path])} here"
        for path in here
        if path in there and _said(there[path]) != _said(here[path])
    ]
    missing = [f"{path}, {_said(leaf)} here, is missing there" for path, leaf in here.items() if path not in there]
    unknown = [f"{path}, {_said(leaf)} there, is unknown here" for path, leaf in there.items() if path not in here]
    return [*_first(differing, "differ"), *_first(missing, "are missing there"), *_first(unknown, "are unknown here")]


def _first(lines: Sequence[str], what: str) -> list[str]:
    more = len(lines) - MOST_LISTED
    return [*lines[:MOST_LISTED], *([f"and {more} more {what}"] if more > 0 else [])]


def _by_path(tree: PyTree) -> dict[str, Any]:
    return {_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _said(leaf: Any) -> str:
    """Returns dtype and shape, "float32[5, 24]"."""
    return f"{np.result_type(leaf) if np.isscalar(leaf) else leaf.dtype}{list(np.shape(leaf))}"
