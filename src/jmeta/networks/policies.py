"""Feed-forward networks of policies and of action values."""

import abc

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from jmeta.networks import MLP, Categorical, Linear, PolicyHead, TanhNormalHead, orthogonal
from jmeta.types import ActionSpace, Decision, Discrete


class PolicyNetwork(nnx.Module):
    """Base of feed-forward policies: hidden layers and a policy head; a subclass defines what they are applied to."""

    def __init__(
        self,
        observation_size: int,
        action_space: ActionSpace,
        widths: tuple[int, ...],
        *,
        initial_std: float,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.torso = MLP(observation_size, widths, dtype=dtype, rngs=rngs)
        num_features = widths[-1] if widths else observation_size
        self.policy = PolicyHead(num_features, action_space, initial_std=initial_std, rngs=rngs)

    @abc.abstractmethod
    def __call__(self, observation: jax.Array) -> Decision: ...

    def decide(self, inputs: jax.Array) -> Decision:
        """Returns the policy for the inputs of the hidden layers, with a value of 0."""
        return Decision(self.policy(self.torso(inputs)), jnp.zeros((), jnp.float32))


class FeedForwardPolicy(PolicyNetwork):
    """Observation -> hidden layers -> policy."""

    def __call__(self, observation: jax.Array) -> Decision:
        return self.decide(observation)


class FeedForwardPolicyWithCritic(PolicyNetwork):
    """Observation -> hidden layers -> policy; and a value network of the same widths, which shares no layers with it."""

    def __init__(
        self,
        observation_size: int,
        action_space: ActionSpace,
        widths: tuple[int, ...],
        *,
        initial_std: float,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        super().__init__(observation_size, action_space, widths, initial_std=initial_std, dtype=dtype, rngs=rngs)
        self.critic = MLP(observation_size, widths, dtype=dtype, rngs=rngs)
        self.value = Linear(widths[-1] if widths else observation_size, 1, kernel_init=orthogonal(), rngs=rngs)

    def __call__(self, observation: jax.Array) -> Decision:
        decision = self.decide(observation)
        return decision._replace(value=self.value(self.critic(observation).astype(jnp.float32))[0])


class ContextPolicy(PolicyNetwork):
    """Observation and context -> hidden layers -> policy; the context is a parameter that is initially zero."""

    def __init__(
        self,
        observation_size: int,
        action_space: ActionSpace,
        widths: tuple[int, ...],
        *,
        context_size: int,
        initial_std: float,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        size = observation_size + context_size
        super().__init__(size, action_space, widths, initial_std=initial_std, dtype=dtype, rngs=rngs)
        self.context = nnx.Param(jnp.zeros(context_size, jnp.float32))

    def __call__(self, observation: jax.Array) -> Decision:
        return self.decide(jnp.concatenate([observation, self.context[...]]))


class FeedForwardActorCritic(nnx.Module):
    """Observation -> hidden layers -> policy and value."""

    def __init__(self, observation_size: int, action_space: ActionSpace, widths: tuple[int, ...], *, rngs: nnx.Rngs):
        self.torso = MLP(observation_size, widths, rngs=rngs)
        num_features = widths[-1] if widths else observation_size
        self.policy = PolicyHead(num_features, action_space, rngs=rngs)
        self.value = Linear(num_features, 1, kernel_init=orthogonal(), rngs=rngs)

    def __call__(self, observation: jax.Array) -> Decision:
        features = self.torso(observation)
        return Decision(self.policy(features), self.value(features)[0])


class Actor(nnx.Module):
    """Features -> hidden layers -> a distribution over actions."""

    def __init__(self, num_inputs: int, action_space: ActionSpace, widths: tuple[int, ...], *, rngs: nnx.Rngs):
        self.torso = MLP(num_inputs, widths, rngs=rngs)
        size = action_space.encoding_size
        head = Linear if isinstance(action_space, Discrete) else TanhNormalHead
        self.head = head(widths[-1], size, rngs=rngs)
        self.is_discrete = isinstance(action_space, Discrete)

    def __call__(self, x: jax.Array) -> Decision:
        output = self.head(self.torso(x))
        distribution = Categorical(jax.nn.log_softmax(output)) if self.is_discrete else output
        return Decision(distribution, jnp.zeros((), jnp.float32))


class DeterministicActor(nnx.Module):
    """Features -> hidden layers -> an action within the box."""

    def __init__(self, num_inputs: int, size: int, widths: tuple[int, ...], *, rngs: nnx.Rngs):
        self.torso = MLP(num_inputs, widths, rngs=rngs)
        self.action = Linear(widths[-1], size, kernel_init=orthogonal(0.01), rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.tanh(self.action(self.torso(x)))


class ActionValues(nnx.Module):
    """Features -> hidden layers -> the value of every action."""

    def __init__(self, num_inputs: int, num_actions: int, widths: tuple[int, ...], *, rngs: nnx.Rngs):
        self.torso = MLP(num_inputs, widths, rngs=rngs)
        self.values = Linear(widths[-1], num_actions, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.values(self.torso(x))
