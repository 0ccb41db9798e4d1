"""The check that a task family depends on its arguments alone, and that nothing of a trace is left in it."""

from collections.abc import Callable

import jax
import numpy as np

from jmeta.references import Random
from jmeta.tasks import TaskDistribution
from jmeta.testing.task_lives import LIVED_TASKS, plain
from jmeta.types import PyTree


def check_purity(tasks: TaskDistribution) -> None:
    """Traces everything twice: what depends on more than its arguments differs, or leaves something behind."""
    keys = jax.random.split(jax.random.key(1), LIVED_TASKS)
    drawn = jax.jit(jax.vmap(tasks.sample))(keys)
    functions: dict[str, Callable[..., PyTree]] = {
        "sample": lambda task, key: tasks.sample(key),
        "reset_env": lambda task, key: tasks.reset(task, key),
        "step_env": lambda task, key: _one_step(tasks, task, key),
    }
    _look_for_tracers(tasks)
    for name, function in functions.items():
        first, second = (jax.device_get(plain(_freshly_jitted(function)(drawn, keys))) for _ in range(2))
        equal = jax.tree.map(lambda a, b: np.array_equal(a, b, equal_nan=True), first, second)
        if not all(jax.tree.leaves(equal)):
            where = type(tasks).__name__ if name == "sample" else tasks._environment_name
            raise ValueError(
                f"{name} of {where} gives different results for the same arguments: draw from its key with jax.random, not from "
                "NumPy's or Python's random numbers, and keep nothing that changes outside the state"
            )

    _look_for_tracers(tasks)


def _look_for_tracers(tasks: TaskDistribution) -> None:
    """Raises ValueError if what was traced has left something behind."""
    for owner in (tasks.environment, tasks):
        for attribute, value in vars(owner).items():
            if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(value)):
                raise ValueError(
                    f"{type(owner).__name__}.{attribute} is set while reset_env or step_env is compiled, and never again: keep "
                    "what changes in the state"
                )


def _freshly_jitted(function: Callable[..., PyTree]) -> Callable[..., PyTree]:
    return jax.jit(lambda *arguments: jax.vmap(function)(*arguments))


def _one_step(tasks: TaskDistribution, task: PyTree, key: jax.Array) -> PyTree:
    _, state = tasks.reset(task, key)
    actions = Random(tasks.observation_size, tasks.action_space)
    decision, _ = actions.act((), (), (), None)  # type: ignore[arg-type]
    return tasks.step(task, state, decision.distribution.sample(key), key)
