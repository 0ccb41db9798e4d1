"""A policy that does not adapt: the baseline for meta-learning."""

from functools import partial

import jax

from jmeta import struct
from jmeta.inner.base import InContextLearner
from jmeta.networks import Network, from_nnx
from jmeta.networks.policies import FeedForwardActorCritic
from jmeta.types import ActionSpace, Decision, Empty, PyTree, Timestep


@struct.dataclass
class FixedPolicy(InContextLearner[PyTree, Empty]):
    """A policy of the observation only, the same in every task; phi and memory are empty.

    Attributes:
      network: observation [observation_size] -> ``Decision``.
    """

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)
    network: Network = struct.field(pytree_node=False)

    @classmethod
    def create(cls, observation_size: int, action_space: ActionSpace, widths: tuple[int, ...]) -> "FixedPolicy":
        """Builds a policy and a critic that share hidden layers of the given widths."""
        network = from_nnx(partial(FeedForwardActorCritic, observation_size, action_space, widths))
        return cls(observation_size, action_space, network)

    def init(self, key: jax.Array) -> PyTree:
        return self.network.init(key)

    def initial_memory(self, theta: PyTree) -> Empty:
        return ()

    def act(self, theta: PyTree, phi: Empty, memory: Empty, timestep: Timestep) -> tuple[Decision, Empty]:
        return self.network.apply(theta, timestep.observation), memory

    def unroll(self, theta: PyTree, phi: Empty, memory: Empty, timesteps: Timestep) -> tuple[Decision, Empty]:
        return jax.vmap(self.network.apply, in_axes=(None, 0))(theta, timesteps.observation), memory
