"""Networks of agents with a memory: the perception of a time step, and a core between encoder and heads."""

import abc
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from jmeta.networks import MLP, Convolutions, Core
from jmeta.types import ActionSpace, Decision, PyTree, Timestep

BuildCore = Callable[..., Core]
"""Constructor of a recurrent core from the number of its inputs."""


class Perception(nnx.Module):
    """Maps a timestep to features of the observation, the previous action and reward, and whether an episode begins.

    Args:
      observation_size: length of an observation.
      action_space: space of the previous action.
      widths: hidden layers after the inputs are concatenated; none by default.
      image: shape (H, W, C) of an image observation, which is encoded by convolutions; None for no convolutions.
      filters: filters of the convolutions.
      hides_past: whether the previous action and reward are zeroed at the first step of an episode.
      dtype: dtype of matrix products.
    """

    def __init__(
        self,
        observation_size: int,
        action_space: ActionSpace,
        widths: tuple[int, ...] = (),
        *,
        image: tuple[int, int, int] | None = None,
        filters: tuple[int, ...] = (),
        hides_past: bool = False,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.image = Convolutions(image, filters, dtype=dtype, rngs=rngs) if image else None
        self.seen_size = self.image.output_size if self.image else observation_size
        num_inputs = self.seen_size + action_space.encoding_size + 2
        self.torso = MLP(num_inputs, widths, dtype=dtype, rngs=rngs)
        self.hides_past = hides_past
        self.output_size = widths[-1] if widths else num_inputs

    def see(self, observation: jax.Array) -> jax.Array:
        """Returns the features of the observation alone, [seen_size]."""
        return self.image(observation) if self.image else observation

    def __call__(self, timestep: Timestep) -> jax.Array:
        past = jnp.concatenate([timestep.previous_action, timestep.previous_reward[None]])
        past = jnp.where(timestep.first, 0.0, past) if self.hides_past else past
        return self.torso(jnp.concatenate([self.see(timestep.observation), past, timestep.first.astype(jnp.float32)[None]]))


class MemoryNetwork(nnx.Module):
    """Base of networks with a memory: timestep -> perception -> core -> decision; a subclass defines ``decide``.

    Args:
      perception: encodes a timestep as the input of the core.
      build_core: makes the core, called as ``build_core(num_inputs, rngs=rngs)``.
      build_heads: makes the heads of ``decide``, called as ``build_heads(num_features, rngs)``.
      forgets: whether the memory of the core is reset when an episode begins.
    """

    def __init__(
        self,
        perception: Perception,
        build_core: BuildCore,
        build_heads: Callable[[int, nnx.Rngs], nnx.Module],
        *,
        forgets: bool = False,
        rngs: nnx.Rngs,
    ):
        self.perception = perception
        self.core = build_core(perception.output_size, rngs=rngs)
        self.heads = build_heads(self.core.output_size, rngs)
        self.forgets = forgets

    def initial_memory(self) -> PyTree:
        return self.core.initial_memory()

    def __call__(self, memory: PyTree, timestep: Timestep) -> tuple[Decision, PyTree]:
        memory = self.core.forget(memory, timestep.first) if self.forgets else memory
        memory, features = self.core(memory, self.perception(timestep))
        return self.decide(features, timestep), memory

    def unroll(self, memory: PyTree, timesteps: Timestep) -> tuple[Decision, PyTree]:
        resets = timesteps.first if self.forgets else None
        memory, features = self.core.unroll(memory, jax.vmap(self.perception)(timesteps), resets)
        return jax.vmap(self.decide)(features, timesteps), memory

    @abc.abstractmethod
    def decide(self, features: jax.Array, timestep: Timestep) -> Decision:
        """Returns the decision for the core's output."""


class RecurrentNetwork(MemoryNetwork):
    """Timestep -> perception -> core -> policy and value, as ``MemoryNetwork`` says."""

    def decide(self, features: jax.Array, timestep: Timestep) -> Decision:
        return self.heads(features)
