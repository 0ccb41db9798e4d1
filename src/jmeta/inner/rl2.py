"""RL²: a recurrent network that learns while it acts (Duan et al. 2016, arXiv 1611.02779; Wang et al. 2016, 1611.05763)."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from jmeta import struct
from jmeta.inner.base import InContextLearner
from jmeta.networks import Network, from_nnx, in_chunks
from jmeta.networks.actor_critic import ActorCritic, GeneratedActorCritic, actor_critic
from jmeta.networks.perception import BuildCore, Perception, RecurrentNetwork
from jmeta.ranges import Count
from jmeta.types import ActionSpace, Decision, Memory, Phi, Theta, Timestep


class RecurrentHypernetwork(RecurrentNetwork):
    """Timestep -> perception -> core -> the weights of a policy and critic, which see the observation.

    ``heads`` is called with the core's output and the features of the observation, as ``GeneratedActorCritic`` is.

    References:
      Beck et al. 2023, arXiv 2309.14970.
    """

    def decide(self, features: jax.Array, timestep: Timestep) -> Decision:
        return self.heads(features, self.perception.see(timestep.observation))


@struct.dataclass
class RL2(InContextLearner):
    """Adapts to a task only by the hidden state of a recurrent network; phi is empty.

    The hidden state is reset when a lifetime begins, and kept across the episodes of the task. The inputs of the network include
    the previous action and reward, and whether an episode begins.

    Attributes:
      network: a ``RecurrentNetwork`` as pure functions: initial_memory, __call__ and unroll.
      chunk_length: steps whose activations are stored at once when an unroll is differentiated; None for all.
      truncate: whether to stop the gradient between chunks. See ``jmeta.networks.in_chunks``.
    """

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)
    network: Network = struct.field(pytree_node=False)
    chunk_length: Count | None = struct.field(pytree_node=False, default=None)
    truncate: bool = struct.field(pytree_node=False, default=False)

    def init(self, key: jax.Array) -> Theta:
        return self.network.init(key)

    def initial_memory(self, theta: Theta) -> Memory:
        return self.network.apply(theta, method="initial_memory")

    def act(self, theta: Theta, phi: Phi, memory: Memory, timestep: Timestep) -> tuple[Decision, Memory]:
        return self.network.apply(theta, memory, timestep)

    def unroll(self, theta: Theta, phi: Phi, memory: Memory, timesteps: Timestep) -> tuple[Decision, Memory]:
        unroll = partial(self.network.apply, theta, method="unroll")
        if self.chunk_length is None:
            return unroll(memory, timesteps)
        return in_chunks(unroll, memory, timesteps, length=self.chunk_length, truncate=self.truncate)


def recurrent_network(
    observation_size: int,
    action_space: ActionSpace,
    build_core: BuildCore,
    *,
    encoder_widths: tuple[Count, ...] = (),
    head_widths: tuple[Count, ...] = (),
    hypernetwork: bool = False,
    image: tuple[int, int, int] | None = None,
    filters: tuple[int, ...] = (),
    forgets: bool = False,
    dtype: DTypeLike = jnp.float32,
) -> Network:
    """Returns a ``RecurrentNetwork`` with these parts, or a ``RecurrentHypernetwork``, as pure functions."""
    return from_nnx(
        partial(
            _network,
            observation_size,
            action_space,
            build_core,
            encoder_widths=encoder_widths,
            head_widths=head_widths,
            hypernetwork=hypernetwork,
            image=image,
            filters=filters,
            forgets=forgets,
            dtype=dtype,
        )
    )


def _network(
    observation_size: int,
    action_space: ActionSpace,
    build_core: BuildCore,
    *,
    encoder_widths: tuple[int, ...],
    head_widths: tuple[int, ...],
    hypernetwork: bool,
    image: tuple[int, int, int] | None,
    filters: tuple[int, ...],
    forgets: bool,
    dtype: DTypeLike,
    rngs: nnx.Rngs,
) -> RecurrentNetwork:
    perception = Perception(
        observation_size,
        action_space,
        encoder_widths,
        image=image,
        filters=filters,
        hides_past=forgets,
        dtype=dtype,
        rngs=rngs,
    )
    heads: Any
    if hypernetwork:
        target = actor_critic(perception.seen_size, action_space, head_widths, dtype=dtype)
        heads = lambda size, rngs: GeneratedActorCritic(size, target, rngs=rngs)  # noqa: E731
        return RecurrentHypernetwork(perception, build_core, heads, forgets=forgets, rngs=rngs)
    heads = lambda size, rngs: ActorCritic(size, action_space, head_widths, dtype=dtype, rngs=rngs)  # noqa: E731
    return RecurrentNetwork(perception, build_core, heads, forgets=forgets, rngs=rngs)
