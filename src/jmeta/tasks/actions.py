"""Actions of policies in an environment: the action space of a policy, and actions in [-1, 1] scaled to the environment's own."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments.environment import Environment

from jmeta.tasks.environment import name_of
from jmeta.tasks.spaces import BoxShape, Count, Counts, read_space
from jmeta.types import ActionSpace, Continuous, Discrete, MultiDiscrete, PyTree


def read_action_space(environment: Environment, params: PyTree) -> ActionSpace:
    """Returns the action space of a policy in an environment; raises ValueError if no policy can act in it."""
    found = environment.action_space(params)
    space = read_space(found)
    if space is None:
        raise ValueError(
            f"{name_of(environment)} has action space {found}: policies act in Discrete(n), gymnasium's MultiDiscrete or "
            "MultiBinary, and Box; give one of them, and take the action apart in step_env"
        )
    least = space.low.size if isinstance(space, BoxShape) else space.n if isinstance(space, Count) else min(space.flat, default=0)
    if least < 1:
        raise ValueError(f"{name_of(environment)} has action space {found}: there must be an action to take")
    if isinstance(space, Count):
        return Discrete(space.n)
    if isinstance(space, Counts):
        return MultiDiscrete(space.flat)
    size = space.low.size
    low, high = (side.reshape(-1).astype(float) for side in (space.low, space.high))
    for axis in np.flatnonzero(~(low < high)):  # NaN too
        raise ValueError(
            f"{name_of(environment)} has actions from {low[axis]:g} to {high[axis]:g} at position {axis}: its action_space "
            "must have a low below its high everywhere; leave out what is always the same"
        )
    bounded = np.isfinite(low) & np.isfinite(high)
    if bounded.all():
        return Continuous(size)
    return Continuous(size, tuple(np.where(bounded, -1.0, low).tolist()), tuple(np.where(bounded, 1.0, high).tolist()))


def like_an_action(environment: Environment, actions: ActionSpace, params: PyTree) -> jax.ShapeDtypeStruct:
    """Returns the shape and dtype of the actions that ``step_env`` is given."""
    dtype = jnp.float32 if isinstance(actions, Continuous) else jnp.int32
    return jax.ShapeDtypeStruct(tuple(environment.action_space(params).shape), dtype)


def to_environment(action: jax.Array, actions: ActionSpace, environment: Environment, params: PyTree) -> jax.Array:
    """Returns a policy's action as ``step_env`` is given it: in the environment's own shape and units."""
    if isinstance(actions, Discrete):
        return action
    space = environment.action_space(params)
    return action.reshape(space.shape) if isinstance(actions, MultiDiscrete) else scale(action, space)


def scale(action: jax.Array, box: Any) -> jax.Array:
    """Clips a continuous action to [-1, 1] and scales it to a box; axes with an infinite side are only clipped to the box."""
    low = jnp.broadcast_to(jnp.asarray(box.low, jnp.float32), box.shape).reshape(action.shape)
    high = jnp.broadcast_to(jnp.asarray(box.high, jnp.float32), box.shape).reshape(action.shape)
    scaled = low + (jnp.clip(action, -1.0, 1.0) + 1.0) * 0.5 * (high - low)
    bounded = jnp.isfinite(low) & jnp.isfinite(high)
    return jnp.where(bounded, scaled, jnp.clip(action, low, high)).reshape(box.shape)
