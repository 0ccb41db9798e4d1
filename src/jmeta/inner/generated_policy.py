"""A hypernetwork that generates the policy weights of each segment: phi = f_theta(context)."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from jmeta import struct
from jmeta.inner.base import InnerLearner, for_streams
from jmeta.networks import Hypernetwork, Network, from_nnx
from jmeta.networks.actor_critic import actor_critic
from jmeta.networks.perception import BuildCore, Perception
from jmeta.types import ActionSpace, Decision, PyTree, Segment, Timestep


class PolicyGenerator(nnx.Module):
    """Maps the experience in a task to the weights of a policy for it.

    Args:
      perception: encodes a step: the observation, the action taken, its reward, and whether an episode began.
      build_core: makes the recurrent core, called as ``build_core(num_inputs, rngs=rngs)``.
      target: the policy whose weights are generated.
      widths: hidden layers of the hypernetwork.
    """

    def __init__(
        self, perception: Perception, build_core: BuildCore, target: Network, widths: tuple[int, ...], *, rngs: nnx.Rngs
    ):
        self.perception = perception
        self.core = build_core(perception.output_size, rngs=rngs)
        self.weights = Hypernetwork(self.core.output_size, target, widths, rngs=rngs)

    def initial_memory(self) -> PyTree:
        return self.core.initial_memory()

    def read(self, memory: PyTree, steps: Timestep) -> tuple[jax.Array, PyTree]:
        """Returns (the embedding of the experience after steps [T], the memory)."""
        memory, features = self.core.unroll(memory, jax.vmap(self.perception)(steps))
        return features[-1], memory

    def generate(self, embedding: jax.Array) -> PyTree:
        return self.weights(embedding)

    def generate_at_first(self) -> PyTree:
        """Returns the weights of the policy before any experience in the task."""
        return self.weights(jnp.zeros(self.core.output_size, jnp.float32))


@struct.dataclass
class GeneratedPolicy(InnerLearner[PyTree, PyTree, PyTree]):
    """A hypernetwork generates the policy of the next segment from all experience in the task.

    phi holds the generated weights, and memory the state of the generator. Both change only between segments, as in MAML, but
    without gradient steps. The embeddings of the streams of a task are averaged.

    Attributes:
      generator: a ``PolicyGenerator`` as pure functions.
      policy: observation -> ``Decision``, under weights phi.
    """

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)
    generator: Network = struct.field(pytree_node=False)
    policy: Network = struct.field(pytree_node=False)

    @classmethod
    def create(
        cls,
        observation_size: int,
        action_space: ActionSpace,
        build_core: BuildCore,
        *,
        encoder_widths: tuple[int, ...],
        hypernetwork_widths: tuple[int, ...],
        policy_widths: tuple[int, ...],
    ) -> "GeneratedPolicy":
        """Builds a learner whose policy and critic, with hidden layers of these widths, are generated from a core's output."""
        policy = actor_critic(observation_size, action_space, policy_widths)
        perceive = partial(Perception, observation_size, action_space, encoder_widths)
        generator = from_nnx(partial(_generator, perceive, build_core, policy, hypernetwork_widths))
        return cls(observation_size, action_space, generator, policy)

    def init(self, key: jax.Array) -> PyTree:
        return self.generator.init(key)

    def begin(self, theta: PyTree, num_streams: int, key: jax.Array) -> tuple[PyTree, PyTree]:
        memory = self.generator.apply(theta, method="initial_memory")
        return self.generator.apply(theta, method="generate_at_first"), for_streams(memory, num_streams)

    def act(self, theta: PyTree, phi: PyTree, memory: PyTree, timestep: Timestep) -> tuple[Decision, PyTree]:
        return self.policy.apply(phi, timestep.observation), memory

    def unroll(self, theta: PyTree, phi: PyTree, memory: PyTree, timesteps: Timestep) -> tuple[Decision, PyTree]:
        return jax.vmap(self.policy.apply, in_axes=(None, 0))(phi, timesteps.observation), memory

    def adapt(self, theta: PyTree, phi: PyTree, memory: PyTree, segment: Segment, key: jax.Array) -> tuple[PyTree, PyTree]:
        action = jax.vmap(jax.vmap(self.action_space.encode))(segment.action)
        steps = segment.timestep._replace(previous_action=action, previous_reward=segment.reward)
        read = partial(self.generator.apply, theta, method="read")
        embedding, memory = jax.vmap(read, in_axes=(0, 1))(memory, steps)
        return self.generator.apply(theta, embedding.mean(0), method="generate"), memory


def _generator(
    perceive: Callable[..., Perception], build_core: BuildCore, policy: Network, widths: tuple[int, ...], *, rngs: nnx.Rngs
) -> PolicyGenerator:
    return PolicyGenerator(perceive(rngs=rngs), build_core, policy, widths, rngs=rngs)
