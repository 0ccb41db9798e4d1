"""RL²: a recurrent network that learns while it acts (Duan et al. 2016, arXiv 1611.02779; Wang et al. 2016, 1611.05763)."""

import math
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.inner.base import InContextLearner
from jmeta.networks import Network, check_core, in_chunks, make_core
from jmeta.networks.recurrent_network import recurrent_network
from jmeta.ranges import Count
from jmeta.settings import CoreSettings, HiddenSizeSettings
from jmeta.types import ActionSpace, Decision, Empty, Protocol, PyTree, Timestep


@struct.settings
class ChunkSettings:
    """Settings of backpropagation through time; see ``jmeta.networks.in_chunks``.

    Attributes:
      chunk_length: steps whose activations are stored at once in training, which bounds memory; must divide the lifetime; the
        whole lifetime by default.
      truncate: whether to stop gradients between chunks (truncated backpropagation through time).
    """

    chunk_length: Count | None = struct.field(pytree_node=False, default=None)
    truncate: bool = struct.field(pytree_node=False, default=False)


@struct.settings
class RecurrentPolicySettings(HiddenSizeSettings, ChunkSettings):
    """Settings of a recurrent policy and its critic.

    Attributes:
      context_length: steps that a transformer or snail attends to, or slots of an external memory; a lifetime by default.
      encoder_widths: sizes of the layers before the core.
      head_widths: sizes of the layers after the core, for the policy and likewise for the critic.
      conv_filters: number of filters of each 3 by 3 convolution, for tasks with image observations; no convolutions by default.
      memory_span: when the hidden state is reset. ``lifetime`` keeps it across the episodes of a task. ``episode`` resets it at
        each episode and gives no credit for rewards of later episodes, so nothing is learned across episodes.
      compute_dtype: precision of matrix products; weights and hidden state are float32 in any case.
    """

    context_length: Count | None = None
    encoder_widths: tuple[Count, ...] = ()
    head_widths: tuple[Count, ...] = ()
    conv_filters: tuple[Count, ...] = ()
    memory_span: Literal["lifetime", "episode"] = "lifetime"
    compute_dtype: Literal["float32", "bfloat16"] = "float32"


@struct.settings
class GeneratedHeadsSettings:
    """Whether policy and critic are generated.

    Attributes:
      hypernetwork: whether the core's output generates the weights of policy and critic (``recurrent_hypernetwork``).
    """

    hypernetwork: bool = False


@struct.settings
class RecurrentAgentSettings(CoreSettings, RecurrentPolicySettings, GeneratedHeadsSettings):
    """Settings of a recurrent policy with a core of any kind.

    Attributes:
      num_layers: layers of an lru or a transformer; the other cores have one.
    """

    num_layers: Count = 1


@struct.dataclass
class RL2(InContextLearner[PyTree, PyTree], ChunkSettings):
    """Adapts to a task only by the hidden state of a recurrent network; phi is empty.

    The hidden state is reset when a lifetime begins, and kept across the episodes of the task. The inputs of the network include
    the previous action and reward, and whether an episode begins.

    Attributes:
      network: a ``RecurrentNetwork`` as pure functions: initial_memory, __call__ and unroll.
    """

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)
    network: Network = struct.field(pytree_node=False)

    @classmethod
    def create(
        cls,
        observation_size: int,
        action_space: ActionSpace,
        settings: RecurrentAgentSettings,
        *,
        lifetime_length: int,
        image_shape: tuple[int, int, int] | None = None,
    ) -> "RL2":
        """Builds the agent for lifetimes of ``lifetime_length`` steps.

        Raises:
          ValueError: for a core that can't be built, or chunks that do not divide the lifetime.
        """
        core, size, layers = settings.core, settings.hidden_size, settings.num_layers
        window = min(lifetime_length, settings.context_length or lifetime_length)
        check_core(core, size, layers, window)
        if settings.chunk_length is not None and lifetime_length % settings.chunk_length:
            raise ValueError(
                f"chunk_length={settings.chunk_length} does not divide the lifetime of {lifetime_length} steps: use a divisor"
            )
        if settings.truncate and settings.chunk_length is None:
            raise ValueError("truncate=True cuts between chunks: give their chunk_length")
        dtype = jnp.dtype(settings.compute_dtype)
        network = recurrent_network(
            observation_size,
            action_space,
            partial(make_core, core, size=size, num_layers=layers, window=window, dtype=dtype),
            encoder_widths=settings.encoder_widths,
            head_widths=settings.head_widths,
            hypernetwork=settings.hypernetwork,
            image=image_shape if settings.conv_filters else None,
            filters=settings.conv_filters,
            forgets=settings.memory_span == "episode",
            dtype=dtype,
        )
        return cls(observation_size, action_space, network, **struct.fields_for(ChunkSettings, settings))

    def init(self, key: jax.Array) -> PyTree:
        return self.network.init(key)

    def memory_remedies(self, protocol: Protocol) -> tuple[str, ...]:
        length, now = protocol.segment_length, self.chunk_length or protocol.segment_length
        # Chunks of the square root store as many steps within a chunk as there are memories between chunks.
        best = next(chunk for chunk in range(math.isqrt(length - 1) + 1, length + 1) if length % chunk == 0)
        return (f"chunk_length={best}",) if best < now else ()

    def initial_memory(self, theta: PyTree) -> PyTree:
        return self.network.apply(theta, method="initial_memory")

    def act(self, theta: PyTree, phi: Empty, memory: PyTree, timestep: Timestep) -> tuple[Decision, PyTree]:
        return self.network.apply(theta, memory, timestep)

    def unroll(self, theta: PyTree, phi: Empty, memory: PyTree, timesteps: Timestep) -> tuple[Decision, PyTree]:
        unroll = partial(self.network.apply, theta, method="unroll")
        if (length := self.chunk_length) is not None:
            unroll = partial(in_chunks, unroll, length=length, truncate=self.truncate)
        return unroll(memory, timesteps)
