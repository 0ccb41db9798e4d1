"""The replay of an agent's own steps in the task that it is in, as a part of phi."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jmeta.inner.q_learner import Step
from jmeta.types import ActionSpace, Discrete


class OwnReplay(NamedTuple):
    """The newest steps of one lifetime, as part of phi."""

    steps: Step  # [capacity, ...]
    number: jax.Array  # [] int32, steps added so far; may exceed the capacity

    @classmethod
    def empty(cls, capacity: int, num_inputs: int, action_space: ActionSpace) -> "OwnReplay":
        """Returns an empty replay for ``capacity`` steps with features [num_inputs]."""
        x, zeros = jnp.zeros((capacity, num_inputs), jnp.float32), jnp.zeros(capacity, jnp.float32)
        is_discrete = isinstance(action_space, Discrete)
        action = zeros.astype(jnp.int32) if is_discrete else jnp.zeros((capacity, action_space.encoding_size))
        return cls(Step(x, action, zeros, zeros.astype(bool), x), jnp.zeros((), jnp.int32))

    def add(self, new: Step) -> "OwnReplay":
        """Returns the replay with new steps [n, ...], which overwrite the oldest."""
        capacity = len(self.steps.r_t)
        new = jax.tree.map(lambda x: x[-capacity:], new)
        slots = (self.number + jnp.arange(len(new.r_t))) % capacity
        steps = jax.tree.map(lambda old, x: old.at[slots].set(x.astype(old.dtype)), self.steps, new)
        return OwnReplay(steps, self.number + len(new.r_t))

    @property
    def is_lived(self) -> jax.Array:
        """Whether each slot holds a step, [capacity] bool."""
        return jnp.arange(len(self.steps.r_t)) < self.number

    def sample(self, key: jax.Array, number: int) -> Step:
        """Returns random steps [number], with replacement; the replay must not be empty."""
        which = jax.random.randint(key, (number,), 0, jnp.minimum(self.number, len(self.steps.r_t)))
        return jax.tree.map(lambda x: x[which], self.steps)
