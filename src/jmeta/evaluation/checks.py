"""Checks before an evaluation: the types of its arguments, and that agent, theta and tasks fit together."""

from typing import Any

import jax
import numpy as np

from jmeta.inner.base import InnerLearner
from jmeta.outer.base import OuterLearner
from jmeta.outer.checks import check_fit, check_tasks
from jmeta.tasks.base import TaskDistribution
from jmeta.types import MetaState, Theta


def check_agent(inner: InnerLearner, tasks: TaskDistribution, theta: Theta, key: jax.Array) -> None:
    """Raises unless an inner learner with this theta and this key can be rolled out in the tasks.

    Raises:
      TypeError: for an outer learner, a meta-state or a training's result where the agent or its theta belongs; for an inner
        learner made with flax's dataclass; under ``jax.jit``, ``vmap`` or ``grad``.
      ValueError: if the agent was built for other observations or actions; if theta was made for another agent, or is not finite.
    """
    check_tasks(tasks)
    if isinstance(inner, OuterLearner):
        raise TypeError(
            f"{type(inner).__name__} is an outer learner: give its agent, outer.inner, and the agent's theta, outer.deploy(state)"
        )
    if not isinstance(inner, InnerLearner):
        raise TypeError(f"{inner!r:.100} is no inner learner: give outer.inner, or one of jmeta.references")
    if hasattr(type(inner), "_flax_dataclass"):
        raise TypeError(
            f"{type(inner).__name__} is a flax.struct.dataclass, which jax.jit can take for another class with equal fields: "
            "decorate it with jmeta.struct.dataclass"
        )
    if theta is None:
        raise TypeError("theta is None: give the deployed theta, outer.deploy(state), or () for one of jmeta.references")
    if isinstance(theta, MetaState):
        raise TypeError("theta is a meta-state: give the deployed theta, outer.deploy(state)")
    if hasattr(theta, "theta"):
        raise TypeError(f"theta is a {type(theta).__name__}: give its field theta")
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((inner, theta, key))):
        raise TypeError(
            "agents are evaluated outside jax.jit, vmap and grad, one at a time: inside, roll out lifetimes with "
            "jmeta.lifetime.live_in_new_task"
        )
    check_fit(inner, tasks)
    _check_theta(inner, theta)


def _check_theta(inner: InnerLearner, theta: Theta) -> None:
    """Raises ValueError if theta has the shapes of another agent, or is not finite."""
    given = jax.tree_util.tree_leaves_with_path(theta)
    like = jax.eval_shape(inner.init, jax.random.key(0))
    alike = str(jax.tree.structure(theta)) == str(jax.tree.structure(like))  # deploy may add to what init gives
    for (path, leaf), own in zip(given, jax.tree.leaves(like) if alike else [None] * len(given), strict=True):
        name = f"theta{jax.tree_util.keystr(path)}"
        if own is not None and np.shape(leaf) != own.shape:
            raise ValueError(
                f"{name} is {list(np.shape(leaf))} where that of this {type(inner).__name__} is {list(own.shape)}: it was made "
                "for another agent"
            )
        if _is_floating(leaf) and not np.isfinite(np.asarray(leaf)).all():
            raise ValueError(f"{name} is not finite: this agent's training failed; evaluate an earlier checkpoint")


def _is_floating(leaf: Any) -> bool:
    return jax.dtypes.issubdtype(np.result_type(leaf) if np.isscalar(leaf) else leaf.dtype, np.floating)
