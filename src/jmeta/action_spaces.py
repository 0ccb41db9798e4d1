"""Action spaces: what a policy returns, and how an agent observes its action at the next step."""

from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp


class Discrete(NamedTuple):
    """The action is an integer in ``0 .. num_actions - 1``."""

    num_actions: int

    @property
    def shape(self) -> tuple[int, ...]:
        return ()

    @property
    def encoding_size(self) -> int:
        return self.num_actions

    def encode(self, action: jax.Array) -> jax.Array:
        """Returns an action [] as the agent observes it at the next step: one-hot [num_actions]."""
        return jax.nn.one_hot(action, self.num_actions, dtype=jnp.float32)


class MultiDiscrete(NamedTuple):
    """The action is a vector [K] of integers, each of which is chosen by itself.

    Attributes:
      counts: number of choices for each; number k is in ``0 .. counts[k] - 1``.
    """

    counts: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.counts),)

    @property
    def encoding_size(self) -> int:
        return sum(self.counts)

    def encode(self, action: jax.Array) -> jax.Array:
        """Returns an action [K] as the agent observes it at the next step: a one-hot vector for each number, [sum of counts]."""
        each = [jax.nn.one_hot(action[place], count, dtype=jnp.float32) for place, count in enumerate(self.counts)]
        return jnp.concatenate(each)


class Continuous(NamedTuple):
    """The action is a vector [size]; where the environment's box is finite, -1 and 1 stand for its bounds.

    Task distributions clip to [-1, 1] and scale to the box, so one policy suits any range of torques or displacements. An axis
    with an infinite bound is not scaled: the policy acts in the environment's own units, clipped at the finite bound.

    Attributes:
      size: number of axes.
      low: smallest action that is carried out, one number for all axes or one for each.
      high: largest action that is carried out.
    """

    size: int
    low: float | tuple[float, ...] = -1.0
    high: float | tuple[float, ...] = 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.size,)

    @property
    def encoding_size(self) -> int:
        return self.size

    def encode(self, action: jax.Array) -> jax.Array:
        """Returns an action [size] as the agent observes it at the next step: clipped, as it was carried out."""
        return jnp.clip(action, jnp.asarray(self.low, action.dtype), jnp.asarray(self.high, action.dtype))

    def __repr__(self) -> str:
        scaled = (self.low, self.high) == (-1.0, 1.0)
        return f"Continuous(size={self.size})" if scaled else f"Continuous(size={self.size}, low={self.low}, high={self.high})"


ActionSpace: TypeAlias = Discrete | MultiDiscrete | Continuous
