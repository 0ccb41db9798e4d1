"""Contexts of a task after every step of a row of replay, by a recurrent core (Fakoor et al. 2020, arXiv 1910.00125)."""

import jax
from flax import nnx

from jmeta.networks.core import Core
from jmeta.networks.perception import Perception
from jmeta.types import PyTree, Timestep


class Context(nnx.Module):
    """Maps timesteps to a context of the task by a recurrent core."""

    def __init__(self, perception: Perception, core: Core):
        self.perception = perception
        self.core = core

    def initial_memory(self) -> PyTree:
        return self.core.initial_memory()

    def __call__(self, memory: PyTree, timestep: Timestep) -> tuple[PyTree, jax.Array]:
        return self.core(memory, self.perception(timestep))

    def unroll(self, memory: PyTree, timesteps: Timestep, opens: jax.Array) -> tuple[PyTree, jax.Array]:
        """Returns the memory [L, ...] and context [L, H] after each step of a row [L]; memory is reset where ``opens`` [L]."""
        inputs = jax.vmap(self.perception)(timesteps)

        def step(memory: PyTree, now: tuple[jax.Array, jax.Array]) -> tuple[PyTree, tuple[PyTree, jax.Array]]:
            memory, context = self.core(self.core.forget(memory, now[1]), now[0])
            return memory, (memory, context)

        _, (memories, contexts) = jax.lax.scan(step, memory, (inputs, opens))
        return memories, contexts
