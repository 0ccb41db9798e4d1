"""Networks that a belief about the task conditions."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jmeta.networks import Linear, soft_clip
from jmeta.networks.actor_critic import ActorCritic, GeneratedActorCritic, actor_critic
from jmeta.types import ActionSpace, Decision


class Belief(NamedTuple):
    """Belief about the task: a diagonal Gaussian over a vector [D]."""

    mean: jax.Array  # [D]
    log_variance: jax.Array  # [D]

    def sample(self, key: jax.Array, shape: tuple[int, ...] = ()) -> jax.Array:
        """Returns samples [*shape, D] of the vector."""
        return self.mean + jnp.exp(0.5 * self.log_variance) * jax.random.normal(key, (*shape, *self.mean.shape), self.mean.dtype)


class BeliefHead(nnx.Module):
    """Maps features to a ``Belief``; log-variances are softly clipped to [-10, 4]."""

    def __init__(self, num_features: int, size: int, *, rngs: nnx.Rngs):
        self.mean = Linear(num_features, size, rngs=rngs)
        self.log_variance = Linear(num_features, size, rngs=rngs)

    def __call__(self, features: jax.Array) -> Belief:
        return Belief(self.mean(features), soft_clip(self.log_variance(features), -10.0, 4.0))


class BeliefPolicy(nnx.Module):
    """Maps the observation with the clock, and the belief, to policy and value."""

    def __init__(self, seen_size: int, action_space: ActionSpace, belief_size: int, widths: tuple[int, ...], *, rngs: nnx.Rngs):
        self.heads = ActorCritic(seen_size + 2 * belief_size, action_space, widths, rngs=rngs)

    def __call__(self, seen: jax.Array, belief: Belief) -> Decision:
        return self.heads(jnp.concatenate([seen, belief.mean, belief.log_variance]))


class BeliefHyperpolicy(nnx.Module):
    """Maps the observation with the clock to policy and value, by weights that the belief generates.

    References:
      Beck et al. 2022, arXiv 2210.11348.
    """

    def __init__(self, seen_size: int, action_space: ActionSpace, belief_size: int, widths: tuple[int, ...], *, rngs: nnx.Rngs):
        self.heads = GeneratedActorCritic(2 * belief_size, actor_critic(seen_size, action_space, widths), rngs=rngs)

    def __call__(self, seen: jax.Array, belief: Belief) -> Decision:
        return self.heads(jnp.concatenate([belief.mean, belief.log_variance]), seen)
