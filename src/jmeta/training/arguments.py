"""Checks of the arguments of ``train``, before anything is compiled."""

import os
from typing import Any

import jax
import numpy as np

from jmeta.outer.base import OuterLearner
from jmeta.training.saving import MAX_STEPS


def check_learner(outer: Any) -> None:
    """Raises an error unless ``outer`` is an outer learner that can be trained here."""
    if not isinstance(outer, OuterLearner):
        raise TypeError(f"outer={outer!r:.100} is no outer learner: give one, such as jmeta.algorithms.rl2(tasks)")
    if jax.config.jax_disable_jit:  # type: ignore[attr-defined]
        raise ValueError(
            "jax.disable_jit() is on, and training is one compiled program: turn it off; call outer.step to debug it"
        )
    if outer.tasks.split != "train":
        raise ValueError(
            f"outer is built on the {outer.tasks.split} tasks of {type(outer.tasks).__name__}, which are for evaluation: "
            "build it on tasks.train"
        )


def check_numbers(**numbers: Any) -> None:
    """Raises an error unless each is a whole number of at least 1, and ``num_steps`` one of 32 bits."""
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"{name}={value!r}: it must be a whole number")
        if value < 1:
            raise ValueError(f"{name}={value}: it must be at least 1")
    if (num_steps := numbers["num_steps"]) > MAX_STEPS:
        raise ValueError(f"num_steps={num_steps}: give at most {MAX_STEPS}, since steps are counted in 32 bits")


def check_directory(**directories: Any) -> None:
    """Raises TypeError unless each is a path."""
    for name, value in directories.items():
        if not isinstance(value, str | os.PathLike):
            raise TypeError(f"{name}={value!r:.100}: give a directory, such as 'runs/mine'")


def check_out(out: Any, *, resume: bool, has_theta: bool) -> None:
    """Raises an error unless ``out`` is a directory or None, and fits a resume or a given theta."""
    if out is not None:
        check_directory(out=out)
    if resume and out is None:
        raise ValueError("resume=True needs out=DIR, the run to continue")
    if resume and has_theta:
        raise ValueError("theta initialises a new run, so resume=True does not take one: leave out theta or resume")
