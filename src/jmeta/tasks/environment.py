"""The gymnax environment of a task family: whether it has the methods that jmeta calls, and what they return."""

import contextlib
import inspect
import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from gymnax.environments.environment import Environment

from jmeta.types import PyTree

ARGUMENTS = {  # positional arguments of an environment's methods
    "reset_env": ("key", "params"),
    "step_env": ("key", "state", "action", "params"),
    "action_space": ("params",),
    "observation_space": ("params",),
}
HOW_TO = {
    "reset_env": "write reset_env(self, key, params), which returns (observation, state)",
    "step_env": "write step_env(self, key, state, action, params), which returns (observation, state, reward, terminated, info)",
    "action_space": "write action_space(self, params), which returns spaces.Discrete(n) or spaces.Box(low, high, (n,))",
    "observation_space": "write observation_space(self, params), which returns, say, spaces.Box(-jnp.inf, jnp.inf, (n,))",
}


def check_environment(environment: Any, family: str) -> Environment:
    """Returns the environment of a task family; raises ValueError unless it is an instance of a gymnax environment."""
    if isinstance(environment, type):
        raise ValueError(
            f"the environment of {family} is the class {environment.__name__}: give an instance, {environment.__name__}()"
        )
    if not hasattr(environment, "step_env"):
        kind = type(environment)
        raise ValueError(
            f"the environment of {family} is a {kind.__module__}.{kind.__qualname__}, which has no step_env: jmeta compiles "
            "environments, so it takes those of gymnax (gymnax.environments.environment.Environment) and none that step in "
            "Python"
        )
    for method in ARGUMENTS:
        found = getattr(environment, method, None)
        if found is None or getattr(found, "__func__", found) is getattr(Environment, method):
            raise ValueError(f"{type(environment).__name__} does not define {method}: {HOW_TO[method]}")
        if not callable(found):
            raise ValueError(f"{method} of {type(environment).__name__} is a {type(found).__name__}: {HOW_TO[method]}")
        if not can_be_called(found, ARGUMENTS[method]):
            raise ValueError(
                f"{method} of {type(environment).__name__} can't be called with ({', '.join(ARGUMENTS[method])}): "
                f"{HOW_TO[method]}"
            )
    return environment


def name_of(environment: Environment) -> str:
    """Returns the name of an environment for error messages."""
    return str(getattr(environment, "name", type(environment).__name__))


def outcome_of(environment: Environment, key: jax.Array, state: PyTree, action: Any, params: PyTree) -> tuple[Any, ...]:
    """Returns the outcome of ``step_env``.

    Raises:
      ValueError: unless it has five values; if the environment mixes single and double precision under ``jax_enable_x64``.
    """
    with _precision_explained(environment, "step_env"):
        outcome = environment.step_env(key, state, action, params)
    if not isinstance(outcome, tuple) or len(outcome) != 5:
        what = f"{len(outcome)} values" if isinstance(outcome, tuple) else f"a {type(outcome).__name__}"
        raise ValueError(
            f"step_env of {name_of(environment)} returns {what}: return (observation, state, reward, terminated, info), "
            "and leave time limits to max_steps_in_episode and is_truncated"
        )
    return outcome


def check_sampled(task: Any, default: PyTree, environment: Environment, family: str) -> None:
    """Raises ValueError unless what ``sample`` of a family returns can be parameters of its environment.

    Args:
      task: what it returns, as shapes.
      default: the environment's default parameters.
      environment: the environment.
      family: name of the family.
    """
    if not jax.tree.leaves(task):
        raise ValueError(
            f"sample of {family} returns {task!r:.60}, in which there is no number: return the environment's parameters, a "
            "flax.struct.dataclass or a NamedTuple of arrays"
        )
    if hasattr(task, "dtype") and not hasattr(default, "dtype"):
        raise ValueError(
            f"sample of {family} returns an array of shape {task.shape}: return the environment's parameters, "
            f"{type(default).__name__}(...), with the array as one of its fields"
        )
    kind = type(environment)
    if getattr(kind, "default_params", None) is Environment.default_params and type(task) is not type(default):
        raise ValueError(
            f"{kind.__name__} does not define default_params, so it has gymnax's, which are no {type(task).__name__}: write "
            f"default_params = {type(task).__name__}()"
        )


def beginning_of(environment: Environment, key: jax.Array, params: PyTree) -> Any:
    """Returns what ``reset_env`` returns, which should be (observation, state).

    Raises:
      ValueError: if the environment mixes single and double precision under ``jax_enable_x64``.
    """
    with _precision_explained(environment, "reset_env"):
        return environment.reset_env(key, params)


@contextlib.contextmanager
def _precision_explained(environment: Environment, method: str) -> Iterator[None]:
    """Raises ValueError for a TypeError about numbers of 32 and of 64 bits, if there are such under ``jax_enable_x64``."""
    try:
        yield
    except TypeError as error:
        if not (jax.config.jax_enable_x64 and "32" in str(error) and "64" in str(error)):  # type: ignore[attr-defined]
            raise
        raise ValueError(
            f"{method} of {name_of(environment)} does not compile in double precision ({str(error).split('. ')[0]}): "
            "turn jax_enable_x64 off"
        ) from error


def can_be_called(function: Any, arguments: tuple[str, ...]) -> bool:
    """Returns whether a function takes these positional arguments; True if its signature is unknown."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        return False
    except ValueError:
        pass
    return True


def numbers_in(info: PyTree) -> dict[str, jax.Array]:
    """Returns the numbers in an environment's info by name, without the discount of gymnax's own environments."""
    arrays = {name: leaf for name, leaf in arrays_in(info).items() if math.prod(jnp.shape(leaf)) == 1}
    return {name: jnp.asarray(leaf).reshape(()) for name, leaf in arrays.items() if name != "discount"}


def arrays_in(info: PyTree) -> dict[str, Any]:
    """Returns the numbers and arrays in an environment's info by name."""
    leaves = {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in jax.tree.leaves_with_path(info)}
    return {name: leaf for name, leaf in leaves.items() if isinstance(leaf, (bool, int, float)) or hasattr(leaf, "dtype")}
