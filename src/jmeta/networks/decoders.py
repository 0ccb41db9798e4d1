"""Decoders of a latent task into rewards and transitions, for VariBAD."""

import jax
import jax.numpy as jnp
from flax import nnx

from jmeta.networks import MLP, Linear


class Decoder(nnx.Module):
    """Predicts the reward and the next observation of a step from a latent task [D].

    All pairs of M latents and L steps are decoded together.

    Args:
      reward: maps (latents, observation and action, next observation) to [M, L, num_rewards]: logits over as many values, or the
        mean reward if num_rewards is 1.
      transition: maps (latents, observation and action [L, ...]) to the next observation; None if it is not predicted.
    """

    def __init__(self, reward: "StepReward | ArrivalReward | OneStateReward", transition: "PairMLP | None"):
        self.reward = reward
        self.transition = transition

    def __call__(
        self, latents: jax.Array, observation: jax.Array, action: jax.Array, next_observation: jax.Array
    ) -> tuple[jax.Array, jax.Array | None]:
        """Maps latents [M, D] and steps [L, ...] to rewards [M, L, num_rewards], next observations [M, L, observation_size]."""
        before = jnp.concatenate([observation, action], axis=-1)
        following = self.transition(latents, before) if self.transition else None
        return self.reward(latents, before, next_observation), following


class StepReward(nnx.Module):
    """Predicts the reward from the observation, the action and the next observation."""

    def __init__(self, pairs: "PairMLP"):
        self.pairs = pairs

    def __call__(self, latents: jax.Array, before: jax.Array, next_observation: jax.Array) -> jax.Array:
        return self.pairs(latents, jnp.concatenate([before, next_observation], axis=-1))


class ArrivalReward(nnx.Module):
    """Predicts the reward from the next observation only.

    A trained agent stays only where it is rewarded, so a decoder of whole steps could predict the reward from the fact that it
    stays, without the latent task.
    """

    def __init__(self, pairs: "PairMLP"):
        self.pairs = pairs

    def __call__(self, latents: jax.Array, before: jax.Array, next_observation: jax.Array) -> jax.Array:
        return self.pairs(latents, next_observation)


class OneStateReward(nnx.Module):
    """Predicts logits of (no reward, reward) on arrival, for tasks with one rewarded state of S and one-hot observations.

    The probabilities of the S states sum to 1. A reward in one state therefore lowers the prediction for all others, even if the
    lifetime never visits them because the agent stays at its goal.
    """

    def __init__(self, num_states: int, latent_size: int, widths: tuple[int, ...], *, rngs: nnx.Rngs):
        self.hidden = MLP(latent_size, widths, rngs=rngs)
        self.output = Linear(widths[-1], num_states, rngs=rngs)

    def __call__(self, latents: jax.Array, before: jax.Array, next_observation: jax.Array) -> jax.Array:
        probabilities = jax.nn.softmax(self.output(self.hidden(latents)))  # [M, S]
        here = probabilities @ next_observation.T
        elsewhere = probabilities @ (1.0 - next_observation).T
        return jnp.log(jnp.stack([elsewhere, here], axis=-1) + jnp.finfo(here.dtype).tiny)


class PairMLP(nnx.Module):
    """An MLP over all pairs of latents [M, D] and inputs [L, in], with a linear output [M, L, out].

    The first layer adds a linear map of the latent and one of the input, so it takes M + L matrix-vector products, not M L.
    """

    def __init__(
        self,
        num_inputs: int,
        latent_size: int,
        widths: tuple[int, ...],
        num_outputs: int,
        *,
        rngs: nnx.Rngs,
    ):
        first, *rest = widths
        self.of_input = Linear(num_inputs, first, rngs=rngs)
        self.of_latent = Linear(latent_size, first, use_bias=False, rngs=rngs)
        self.hidden = MLP(first, tuple(rest), rngs=rngs)
        self.output = Linear(widths[-1], num_outputs, rngs=rngs)

    def __call__(self, latents: jax.Array, inputs: jax.Array) -> jax.Array:
        both = jax.nn.relu(self.of_latent(latents)[:, None] + self.of_input(inputs)[None])
        return self.output(self.hidden(both))
