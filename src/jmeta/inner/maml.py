"""MAML: an initialisation from which a gradient step is enough (Finn et al. 2017, arXiv 1703.03400)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx, struct

from jmeta.inner.base import InnerLearner
from jmeta.networks import MLP, Network, PolicyHead, from_nnx
from jmeta.objectives import (
    discounted_returns,
    finished_later,
    fit_linear_baseline,
    linear_features,
    low_variance_curvature,
    mixed_mode_grad,
    steps_since_first,
)
from jmeta.types import ActionSpace, Decision, Memory, Phi, PyTree, Segment, Theta, Timestep

Surrogate = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


class FeedForwardPolicy(nnx.Module):
    """Observation -> hidden layers -> policy."""

    def __init__(
        self,
        observation_size: int,
        action_space: ActionSpace,
        widths: tuple[int, ...],
        *,
        initial_std: float,
        rngs: nnx.Rngs,
    ):
        self.torso = MLP(observation_size, widths, rngs=rngs)
        num_features = widths[-1] if widths else observation_size
        self.policy = PolicyHead(num_features, action_space, initial_std=initial_std, rngs=rngs)

    def __call__(self, observation: jax.Array) -> Decision:
        return Decision(self.policy(self.torso(observation)), jnp.zeros((), jnp.float32))


class TaskWeights(NamedTuple):
    """MAML's phi."""

    weights: PyTree  # the policy's parameters in this task
    num_updates: jax.Array  # [] int32, inner steps taken


def episodic_advantages(segment: Segment, discount: jax.Array | float) -> tuple[jax.Array, jax.Array]:
    """Advantages over a linear feature baseline fitted to the segment itself, as MAML's authors estimate them.

    Episodes are finite-horizon: an episode's return is the sum of the rewards it got, whether it ended by itself or at the time
    limit, and the baseline knows the time. An episode that the end of the segment cuts off has no return, and its
    steps get weight 0. Advantages are centred and scaled over the segment.

    Args:
      segment: [T, B].
      discount: in [0, 1].

    Returns:
      (advantages, weights), both [T, B].
    """
    done = segment.terminated | segment.truncated
    per_stream = jax.vmap(discounted_returns, in_axes=(1, 1, None), out_axes=1)
    returns = per_stream(segment.reward, done, discount)
    weight = jax.vmap(finished_later, in_axes=1, out_axes=1)(done).astype(returns.dtype)
    step = jax.vmap(steps_since_first, in_axes=1, out_axes=1)(segment.timestep.first)
    features = jax.vmap(linear_features)(segment.timestep.observation, step)
    prediction = fit_linear_baseline(features.reshape(-1, features.shape[-1]), returns.reshape(-1), weight.reshape(-1))
    advantage = returns - prediction.reshape(returns.shape)
    total = jnp.maximum(weight.sum(), 1.0)
    mean = (advantage * weight).sum() / total
    variance = (jnp.square(advantage - mean) * weight).sum() / total
    return weight * (advantage - mean) / (jnp.sqrt(variance) + 1e-8), weight


@struct.dataclass
class MAML(InnerLearner):
    """Policy-gradient steps from a meta-learned initialisation; theta is the initial weights, phi the weights in the task.

    An adaptation is ``weights <- weights - rate * grad L(weights)`` with L minus the surrogate of the segment's
    advantages, averaged over its steps. The surrogate decides whether the *second* derivative is right too, which
    is what the meta-gradient consists of: see ``jmeta.objectives.surrogates``.

    Attributes:
      network: observation [observation_size] -> ``Decision``.
      inner_rates: [R] rate of the first, second, ... inner step; the last one serves all later steps.
      discount: of the inner return, in [0, 1].
      surrogate: ``(log_prob [T], advantage [T], first [T]) -> []``.
      first_order: if True the inner gradient counts as a constant (FOMAML).
    """

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)
    network: Network = struct.field(pytree_node=False)
    inner_rates: jax.Array
    discount: jax.Array | float = 0.99
    surrogate: Surrogate = struct.field(pytree_node=False, default=low_variance_curvature)
    first_order: bool = struct.field(pytree_node=False, default=False)

    @classmethod
    def with_mlp(
        cls,
        observation_size: int,
        action_space: ActionSpace,
        widths: tuple[int, ...],
        *,
        initial_std: float = 1.0,
        **fields: Any,
    ) -> "MAML":
        """MAML of a policy with hidden layers of the given widths; ``fields`` are the class's others."""
        network = from_nnx(
            lambda rngs: FeedForwardPolicy(observation_size, action_space, widths, initial_std=initial_std, rngs=rngs)
        )
        return cls(observation_size, action_space, network, **fields)

    def init(self, key: jax.Array) -> Theta:
        return self.network.init(key)

    def begin(self, theta: Theta, num_streams: int, key: jax.Array) -> tuple[Phi, Memory]:
        return TaskWeights(theta, jnp.zeros((), jnp.int32)), ()

    def act(self, theta: Theta, phi: Phi, memory: Memory, timestep: Timestep) -> tuple[Decision, Memory]:
        return self.network.apply(phi.weights, timestep.observation), memory

    def unroll(self, theta: Theta, phi: Phi, memory: Memory, timesteps: Timestep) -> tuple[Decision, Memory]:
        decisions = jax.vmap(self.network.apply, in_axes=(None, 0))(phi.weights, timesteps.observation)
        return decisions, memory

    def adapt(self, theta: Theta, phi: Phi, memory: Memory, segment: Segment, key: jax.Array) -> tuple[Phi, Memory]:
        advantage, weight = episodic_advantages(segment, self.discount)
        data = (segment.timestep.observation, segment.action, segment.timestep.first, advantage, weight)
        gradient = mixed_mode_grad(self._loss)(phi.weights, jax.lax.stop_gradient(data))
        if self.first_order:
            gradient = jax.lax.stop_gradient(gradient)
        rate = self.inner_rates[jnp.minimum(phi.num_updates, self.inner_rates.shape[0] - 1)]
        weights = jax.tree.map(lambda w, g: w - rate * g, phi.weights, gradient)
        return TaskWeights(weights, phi.num_updates + 1), memory

    def _loss(self, weights: PyTree, data: tuple[jax.Array, ...]) -> jax.Array:
        observation, action, first, advantage, weight = data

        def log_prob(observation: jax.Array, action: jax.Array) -> jax.Array:
            return self.network.apply(weights, observation).distribution.log_prob(action)

        length, num_streams = advantage.shape
        flat = [x.reshape(length * num_streams, *x.shape[2:]) for x in (observation, action)]
        log_probs = jax.vmap(log_prob)(*flat).reshape(advantage.shape)
        per_stream = jax.vmap(self.surrogate, in_axes=1)(log_probs, advantage, first)
        return -per_stream.sum() / jnp.maximum(weight.sum(), 1.0)
