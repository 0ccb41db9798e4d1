"""States of an environment: one structure, one shape and one dtype for those of ``reset_env`` and of ``step_env``."""

from typing import Any

import jax
import jax.numpy as jnp
from gymnax.environments.environment import Environment

from jmeta.tasks.actions import like_an_action
from jmeta.tasks.environment import beginning_of, name_of, outcome_of
from jmeta.types import ActionSpace, PyTree


def shapes_of(tree: PyTree) -> Any:
    """Returns a hashable description of the shapes and dtypes of a tree of arrays."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)


def settle(state: PyTree, template: PyTree) -> PyTree:
    """Gives every leaf of a state the shape and dtype of a template, since ``reset_env`` and ``step_env`` need not agree."""

    def settled(leaf: Any, like: jax.ShapeDtypeStruct) -> jax.Array:
        if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
            return leaf
        return jnp.asarray(leaf, like.dtype).reshape(like.shape)

    return jax.tree.map(settled, state, template)


def state_template(environment: Environment, actions: ActionSpace, example: PyTree, params: PyTree) -> PyTree:
    """Returns the shapes and dtypes of a state for parameters of the shapes of ``params``.

    Args:
      environment: the environment.
      actions: the action space of a policy in it.
      example: parameters that ``action_space`` of the environment is called with.
      params: the parameters.

    Raises:
      ValueError: if the states of ``reset_env`` and of ``step_env`` differ in structure or size, or have no time.
    """
    name, action = name_of(environment), like_an_action(environment, actions, example)

    def both(key: jax.Array, params: PyTree, action: jax.Array) -> tuple[PyTree, PyTree]:
        _, state = beginning_of(environment, key, params)
        own_limit = getattr(type(environment), "is_truncated", None) is not Environment.is_truncated
        if not own_limit and not hasattr(state, "time"):
            raise ValueError(
                f"the state of {name} ({type(state).__name__}) has no `time`: add the field `time: jax.Array`, 0 in "
                "reset_env and one more in every step_env, or define is_truncated(self, state, params)"
            )
        return state, outcome_of(environment, key, state, action, params)[1]

    fresh, later = jax.eval_shape(both, jax.random.key(0), params, action)
    structures: list[Any] = [jax.tree.structure(state) for state in (fresh, later)]
    if structures[0] != structures[1]:
        raise ValueError(
            f"reset_env and step_env of {name} return states of different structure, {structures[0]} and {structures[1]}: "
            "give both the same fields"
        )
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(fresh), jax.tree.leaves(later), strict=True):
        if a.size != b.size:
            where = jax.tree_util.keystr(path)
            raise ValueError(
                f"state{where} of {name} has shape {a.shape} after reset_env and {b.shape} after step_env: keep one shape"
            )

    def common(a: jax.ShapeDtypeStruct, b: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        is_key = jnp.issubdtype(b.dtype, jax.dtypes.prng_key)
        return jax.ShapeDtypeStruct(b.shape, b.dtype if is_key else jnp.promote_types(a.dtype, b.dtype))

    return jax.tree.map(common, fresh, later)
