"""Reads the checkpoints of a run."""

import dataclasses
import os
from typing import Any

import jax

from jmeta.outer.base import OuterLearner
from jmeta.training.arguments import check_directory
from jmeta.training.checkpoints import Checkpoints
from jmeta.training.provenance import describe
from jmeta.training.run_directory import RunDirectory
from jmeta.types import MetaState


def restore(outer: OuterLearner, out: str | os.PathLike[str], *, step: int | None = None) -> tuple[int, MetaState]:
    """Returns a checkpoint of a run as (outer step, meta-state). It changes nothing, so the run may still be under way.

    Args:
      outer: the learner of that run.
      out: its directory.
      step: outer step of the checkpoint; the newest intact one by default.

    Raises:
      TypeError: if ``outer`` is no outer learner, or ``out`` no path.
      FileNotFoundError: if there is no run or no checkpoint.
      ValueError: if the run trained another agent, or on tasks of another kind; if there is no checkpoint of that step.
      OSError: if all checkpoints, or the one asked for, are damaged.
    """
    if isinstance(out, OuterLearner):
        raise TypeError("the learner comes first: write restore(outer, out)")
    if not isinstance(outer, OuterLearner):
        raise TypeError(f"outer={outer!r:.100} is no outer learner: give that of the run, such as jmeta.algorithms.rl2(tasks)")
    check_directory(out=out)
    run = RunDirectory(out)
    _check_agent_of(run, outer)
    template = jax.eval_shape(outer.init, jax.random.key(0))
    checkpoints = Checkpoints(run.checkpoints, keep=None)
    try:
        restored = checkpoints.restore(template) if step is None else checkpoints.restore_step(template, step)
    finally:
        checkpoints.close()
    if restored is None:
        raise FileNotFoundError(f"{run.path} has no checkpoint yet")
    return restored


def _check_agent_of(run: RunDirectory, outer: OuterLearner) -> None:
    """Raises ValueError if the run trained another kind of agent, or on another kind of tasks, though all shapes may agree."""

    def said(learner: dict[str, Any], needs_inner: bool) -> str:
        while isinstance(learner.get("learner"), dict):  # an outer learner that wraps another one
            learner = learner["learner"]
        inner, tasks = (learner.get(name) for name in ("inner", "tasks"))
        if not isinstance(tasks, dict) or (needs_inner and not isinstance(inner, dict)):
            raise ValueError(f"config.json of {run.path} is damaged: its learner has no inner learner or no tasks")
        inner = inner if isinstance(inner, dict) else {}
        action = inner.get("action_space")
        action = action if isinstance(action, dict) else {}
        space = f"{action.get('type')}({action.get('num_actions', action.get('size', action.get('counts')))})"
        return f"{inner.get('type')} for {inner.get('observation_size')} observations and {space} actions on {tasks.get('type')}"

    needs_inner = dataclasses.is_dataclass(outer.inner)
    trained, asked = said(run.read_config()["learner"], needs_inner), said(describe(outer), needs_inner)
    if trained != asked:
        raise ValueError(f"{run.path} trained {trained}, but this learner is {asked}: build it with the settings of the run")
