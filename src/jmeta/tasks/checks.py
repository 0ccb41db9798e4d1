"""Checks of a task distribution that run before training or evaluation compiles."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.tasks.actions import like_an_action
from jmeta.tasks.base import TaskDistribution
from jmeta.tasks.constant import outside_of_traces
from jmeta.tasks.environment import beginning_of, outcome_of
from jmeta.tasks.sampled_tasks import sampled_tasks
from jmeta.tasks.spaces import check_parts
from jmeta.tasks.split_checks import check_splits
from jmeta.tasks.time_limits import check_lifetime_length, check_time_limits
from jmeta.tasks.wrapped import WrappedTasks
from jmeta.types import PyTree


@functools.lru_cache(maxsize=256)
def check_distribution(tasks: TaskDistribution) -> None:
    """Raises ValueError if agents cannot be trained or evaluated on a distribution. Each distribution is checked once.

    jmeta's own families on gymnax's own environments are checked by the tests instead, which saves time here.
    """
    while isinstance(tasks, WrappedTasks) and _is_known(type(tasks)):
        tasks = tasks.tasks
    if not (_is_known(type(tasks)) and _is_known(type(tasks.environment))):
        for check in CHECKS:
            with outside_of_traces():
                check(tasks)


def _is_known(kind: type) -> bool:
    return kind.__module__.startswith(("jmeta.", "gymnax."))


def check_spaces(tasks: TaskDistribution) -> None:
    """Raises ValueError unless the action space and the observation space are supported."""
    _ = tasks.action_space, tasks._observation_space


def check_tasks_are_data(tasks: TaskDistribution) -> None:
    """Raises ValueError unless ``sample`` returns a pytree of arrays, so that tasks can be batched."""
    _ = tasks._example


def check_environment_is_kept(tasks: TaskDistribution) -> None:
    """Raises ValueError unless ``environment`` is the same object at every access."""
    if tasks.environment is not tasks.environment:
        name, environment = type(tasks).__name__, type(tasks.environment).__name__
        raise ValueError(
            f"environment of {name} makes a new {environment} at each access: write it as a class attribute, "
            f"environment = {environment}(...), or, if it depends on a setting, as a functools.cached_property"
        )


def check_step(tasks: TaskDistribution) -> None:
    """Raises ValueError unless reset_env and step_env return values of the right structure and shapes."""
    environment, name, actions = tasks._environment_checked, tasks._environment_name, tasks.action_space
    example = tasks._example
    action = like_an_action(environment, actions, example)

    def both(key: jax.Array, params: PyTree, action: jax.Array) -> PyTree:
        fresh = beginning_of(environment, key, params)
        if not isinstance(fresh, tuple) or len(fresh) != 2:
            raise ValueError(f"reset_env of {name} does not return two values: return (observation, state)")
        observation, state = fresh
        later, _, reward, terminated, _ = outcome_of(environment, key, state, action, params)
        return observation, later, jnp.asarray(reward), jnp.asarray(terminated)

    before, after, reward, terminated = jax.eval_shape(both, jax.random.key(0), example, action)
    for what, value in (("reward", reward), ("terminated", terminated)):
        if value.size != 1:
            raise ValueError(f"step_env of {name} returns {what} of shape {value.shape}: return a single number")
    if jnp.issubdtype(reward.dtype, jnp.complexfloating):
        raise ValueError(f"step_env of {name} returns a reward of type {reward.dtype}: return a real number")
    sizes = [sum(leaf.size for leaf in jax.tree.leaves(seen)) for seen in (before, after)]
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"reset_env of {name} returns an observation of {sizes[0]} numbers and step_env one of {sizes[1]}: return the same"
        )
    if not sizes[0]:
        raise ValueError(f"{name} observes nothing at all: return a constant, jnp.zeros(1), and give spaces.Box(0.0, 1.0, (1,))")
    for method, seen in (("reset_env", before), ("step_env", after)):
        check_parts(tasks._observation_space, seen, f"{method} of {name}")


def check_described(tasks: TaskDistribution) -> None:
    """Raises ValueError if ``describe`` returns nothing, or the same for all tasks."""
    name = type(tasks).__name__
    remedy = f"define describe(self, task) in {name} as a vector that says what differs between tasks"
    with outside_of_traces():
        described = np.asarray(jax.jit(jax.vmap(tasks.describe))(sampled_tasks(tasks.train)))
    if not described.size:
        raise ValueError(f"{name} does not describe its tasks, so an agent that is told its task would be told nothing: {remedy}")
    if (described == described[:1]).all():
        raise ValueError(
            f"{name} describes {len(described)} sampled tasks alike, so an agent that is told its task would be told nothing: "
            f"{remedy}"
        )


CHECKS = (
    check_tasks_are_data,
    check_environment_is_kept,
    check_spaces,
    check_step,
    check_time_limits,
    check_lifetime_length,
    check_splits,
)
