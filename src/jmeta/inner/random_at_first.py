"""Uniformly random actions, with which an off-policy agent fills its replay before it learns."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpyro.distributions as dist

from jmeta import struct
from jmeta.inner.base import InnerLearner
from jmeta.types import ActionSpace, Continuous, Decision, Memory, MultiDiscrete, Phi, Segment, Theta, Timestep


class RandomOr(dist.Distribution):
    """Distribution of uniformly random actions if ``is_random`` [], else of a policy's actions."""

    pytree_data_fields = ("policy", "is_random")
    pytree_aux_fields = ("action_space",)
    arg_constraints: ClassVar[dict[str, Any]] = {}
    support = dist.constraints.real_vector

    def __init__(self, policy: dist.Distribution, is_random: jax.Array, action_space: ActionSpace):
        self.policy = policy
        self.is_random = is_random
        self.action_space = action_space
        super().__init__(batch_shape=(), event_shape=policy.event_shape)

    def sample(self, key: jax.Array, sample_shape: tuple[int, ...] = ()) -> jax.Array:
        random_key, policy_key = jax.random.split(key)
        shape = (*sample_shape, *self.action_space.shape)
        if isinstance(self.action_space, Continuous):
            action = jax.random.uniform(random_key, shape, jnp.float32, minval=-1.0, maxval=1.0)
        else:
            action = jax.random.randint(random_key, shape, 0, self._num_values)
        return jnp.where(self.is_random, action, self.policy.sample(policy_key, sample_shape))

    def log_prob(self, value: jax.Array) -> jax.Array:
        space = self.action_space
        uniform = space.size * jnp.log(2.0) if isinstance(space, Continuous) else jnp.log(self._num_values).sum()
        return jnp.where(self.is_random, -uniform, self.policy.log_prob(value))

    @property
    def _num_values(self) -> jax.Array:
        """Number of values of an integer action, [], or of each integer of several, [K]."""
        space = self.action_space
        assert not isinstance(space, Continuous)
        return jnp.asarray(space.counts if isinstance(space, MultiDiscrete) else space.num_actions)


@struct.dataclass
class RandomAtFirst(InnerLearner[Theta, Phi, Memory]):
    """Wraps an agent, whose actions are uniformly random while ``is_random``; everything else is unchanged."""

    agent: InnerLearner[Theta, Phi, Memory]
    is_random: jax.Array | bool

    @property
    def observation_size(self) -> int:  # type: ignore[override]
        return self.agent.observation_size

    @property
    def action_space(self) -> ActionSpace:  # type: ignore[override]
        return self.agent.action_space

    def init(self, key: jax.Array) -> Theta:
        return self.agent.init(key)

    def begin(self, theta: Theta, num_streams: int, key: jax.Array) -> tuple[Phi, Memory]:
        return self.agent.begin(theta, num_streams, key)

    def act(self, theta: Theta, phi: Phi, memory: Memory, timestep: Timestep) -> tuple[Decision, Memory]:
        decision, memory = self.agent.act(theta, phi, memory, timestep)
        either = RandomOr(decision.distribution, jnp.asarray(self.is_random), self.action_space)
        return decision._replace(distribution=either), memory

    def adapt(self, theta: Theta, phi: Phi, memory: Memory, segment: Segment, key: jax.Array) -> tuple[Phi, Memory]:
        return self.agent.adapt(theta, phi, memory, segment, key)
