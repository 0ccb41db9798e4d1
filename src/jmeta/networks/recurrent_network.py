"""Networks of recurrent agents: a policy and a critic after the core, or a hypernetwork that generates them."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from jmeta.networks import Network, from_nnx
from jmeta.networks.actor_critic import ActorCritic, GeneratedActorCritic, actor_critic
from jmeta.networks.perception import BuildCore, MemoryNetwork, Perception, RecurrentNetwork
from jmeta.ranges import Count
from jmeta.types import ActionSpace, Decision, Timestep


class RecurrentHypernetwork(MemoryNetwork):
    """Timestep -> perception -> core -> the weights of a policy and critic, which see the observation.

    ``heads`` is called with the core's output and the features of the observation, as ``GeneratedActorCritic`` is.

    References:
      Beck et al. 2023, arXiv 2309.14970.
    """

    def decide(self, features: jax.Array, timestep: Timestep) -> Decision:
        return self.heads(features, self.perception.see(timestep.observation))


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
) -> MemoryNetwork:
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
