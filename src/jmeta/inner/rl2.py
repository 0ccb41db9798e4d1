"""RL²: a recurrent network that learns while it acts (Duan et al. 2016, arXiv 1611.02779; Wang et al. 2016, 1611.05763)."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from jmeta import struct
from jmeta.inner.base import InnerLearner
from jmeta.networks import GRU, Network, PolicyHead, from_nnx, orthogonal
from jmeta.types import ActionSpace, Decision, Memory, Phi, Segment, Theta, Timestep


class RecurrentActorCritic(nnx.Module):
    """Timestep -> GRU -> policy and value. What it sees includes what it did last and what that was worth."""

    def __init__(
        self,
        observation_size: int,
        action_space: ActionSpace,
        hidden_size: int,
        *,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.core = GRU(observation_size + action_space.encoding_size + 2, hidden_size, dtype=dtype, rngs=rngs)
        self.policy = PolicyHead(hidden_size, action_space, rngs=rngs)
        self.value = nnx.Linear(hidden_size, 1, kernel_init=orthogonal(), rngs=rngs)

    def initial_memory(self) -> jax.Array:
        return self.core.initial_memory()

    def __call__(self, memory: jax.Array, timestep: Timestep) -> tuple[Decision, jax.Array]:
        memory, features = self.core(memory, self._perceive(timestep))
        return self._decide(features), memory

    def unroll(self, memory: jax.Array, timesteps: Timestep) -> tuple[Decision, jax.Array]:
        memory, features = self.core.unroll(memory, jax.vmap(self._perceive)(timesteps))
        return jax.vmap(self._decide)(features), memory

    def _perceive(self, timestep: Timestep) -> jax.Array:
        scalars = jnp.stack([timestep.previous_reward, timestep.first.astype(jnp.float32)])
        return jnp.concatenate([timestep.observation, timestep.previous_action, scalars])

    def _decide(self, features: jax.Array) -> Decision:
        return Decision(self.policy(features), self.value(features)[0])


@struct.dataclass
class RL2(InnerLearner):
    """All learning in a task is the course of a recurrent network's hidden state; phi is empty.

    The hidden state starts at zero when a lifetime opens and runs on through the episodes of the task. The network is told the
    previous action and reward and where episodes begin.

    Attributes:
      network: initial_memory, __call__ and unroll as ``RecurrentActorCritic`` has them.
    """

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)
    network: Network = struct.field(pytree_node=False)

    @classmethod
    def with_gru(
        cls, observation_size: int, action_space: ActionSpace, hidden_size: int, *, dtype: DTypeLike = jnp.float32
    ) -> "RL2":
        """RL² on a GRU of ``hidden_size`` units, whose matrix products are of that type."""
        network = from_nnx(lambda rngs: RecurrentActorCritic(observation_size, action_space, hidden_size, dtype=dtype, rngs=rngs))
        return cls(observation_size, action_space, network)

    def init(self, key: jax.Array) -> Theta:
        return self.network.init(key)

    def begin(self, theta: Theta, num_streams: int, key: jax.Array) -> tuple[Phi, Memory]:
        memory = self.network.apply(theta, method="initial_memory")
        return (), jax.tree.map(lambda x: jnp.broadcast_to(x, (num_streams, *x.shape)), memory)

    def act(self, theta: Theta, phi: Phi, memory: Memory, timestep: Timestep) -> tuple[Decision, Memory]:
        return self.network.apply(theta, memory, timestep)

    def unroll(self, theta: Theta, phi: Phi, memory: Memory, timesteps: Timestep) -> tuple[Decision, Memory]:
        return self.network.apply(theta, memory, timesteps, method="unroll")

    def adapt(self, theta: Theta, phi: Phi, memory: Memory, segment: Segment, key: jax.Array) -> tuple[Phi, Memory]:
        return phi, memory
