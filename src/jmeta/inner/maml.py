"""MAML: a meta-learned initialisation that adapts to a task by a few gradient steps (Finn et al. 2017, arXiv 1703.03400)."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jmeta import struct
from jmeta.inner.base import InnerLearner
from jmeta.inner.update_rules import UpdateRule
from jmeta.networks import Network, from_nnx
from jmeta.networks.policies import FeedForwardPolicy, FeedForwardPolicyWithCritic
from jmeta.objectives import (
    linear_features,
    low_variance_curvature,
    mixed_mode_grad,
)
from jmeta.objectives.advantages import Features, episodic_advantages
from jmeta.parallel import split_axis
from jmeta.ranges import Count, Share
from jmeta.types import ActionSpace, Decision, Memory, Phi, PyTree, Segment, Theta, Timestep

Surrogate = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


class Initialisation(NamedTuple):
    """MAML's theta."""

    weights: PyTree  # initial parameters of the policy in every task: a dictionary of parts
    rule: PyTree  # meta-parameters of the update rule, () if it has none


class TaskWeights(NamedTuple):
    """MAML's phi."""

    weights: PyTree  # adapted parts of the policy's parameters
    rule_state: PyTree  # state of the update rule
    num_updates: jax.Array  # [] int32, inner steps taken


class InnerData(NamedTuple):
    """A segment with the advantages that the inner loss needs."""

    observation: jax.Array  # [T, B, observation_size]
    action: jax.Array  # [T, B, ...]
    first: jax.Array  # [T, B]
    advantage: jax.Array  # [T, B]
    weight: jax.Array  # [T, B], 0 where a decision does not count
    behaviour: jax.Array  # [T, B] log-probabilities of the actions when they were taken


def behaviour_of(segment: Segment) -> jax.Array:
    """Log-probabilities [T, B] of a segment's actions when they were taken."""
    return jax.vmap(jax.vmap(lambda decision, action: decision.distribution.log_prob(action)))(segment.decision, segment.action)


@struct.dataclass
class MAML(InnerLearner):
    """Adapts a policy by policy-gradient steps from a meta-learned initialisation.

    Theta holds the initial weights, and phi the weights in the task. An inner step applies an update rule, in the simplest case
    ``weights <- weights - rate * grad L(weights)``, where L is minus the surrogate of the segment's advantages, averaged over
    steps. The meta-gradient differentiates the surrogate twice. Whether its *second* derivative is unbiased depends on the
    surrogate: see ``jmeta.objectives.surrogates``.

    Each decision is weighted by its likelihood ratio to the behaviour policy, pi(a|s) / behaviour(a|s). The ratio is 1 in a
    rollout and in the first outer update on the recorded data. Later updates replay the data under weights that differ from the
    behaviour policy's (Rothfuss et al. 2019, arXiv 1810.06784, equation 12).

    Attributes:
      network: observation [observation_size] -> ``Decision``; its parameters are a dictionary of parts.
      rule: update rule of the inner steps.
      discount: discount of the inner return, in [0, 1].
      adapted_parts: names of the parts that adapt; the others are the same in all tasks (ANIL, CAVIA). None for all parts.
      features: features of the linear baseline, ``(observation [T, D], step [T], value [T]) -> [T, F]``: functions of state and
        time, or ``critic_features`` for a network with a critic.
      surrogate: ``(log_prob [T], advantage [T], first [T]) -> []``.
      first_order: if True, the inner gradient is treated as a constant (FOMAML).
      mixed_mode: differentiate the inner gradient forward-over-reverse, ``jmeta.objectives.mixed_mode_grad``; False for
        reverse-over-reverse, which gives the same derivative at a higher cost.
      stream_chunks: number of groups into which the streams of a segment are split when an inner gradient is differentiated in
        mixed mode. The groups are processed one after the other, which bounds memory. It must divide the number of streams.
    """

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)
    network: Network = struct.field(pytree_node=False)
    rule: UpdateRule
    discount: jax.Array | Share = 0.99
    adapted_parts: tuple[str, ...] | None = struct.field(pytree_node=False, default=None)
    features: Features = struct.field(pytree_node=False, default=linear_features)
    surrogate: Surrogate = struct.field(pytree_node=False, default=low_variance_curvature)
    first_order: bool = struct.field(pytree_node=False, default=False)
    mixed_mode: bool = struct.field(pytree_node=False, default=True)
    stream_chunks: Count = struct.field(pytree_node=False, default=1)

    @classmethod
    def create(
        cls,
        observation_size: int,
        action_space: ActionSpace,
        widths: tuple[int, ...],
        *,
        initial_std: float = 1.0,
        dtype: DTypeLike = jnp.float32,
        with_critic: bool = False,
        **fields: Any,
    ) -> Self:
        """Builds MAML for a policy with the parts "torso" (hidden layers of these widths) and "policy".

        A critic adds the parts "critic" and "value", which do not adapt by default. ``fields`` are further attributes.
        """
        kind = FeedForwardPolicyWithCritic if with_critic else FeedForwardPolicy
        if with_critic:
            fields = {"adapted_parts": ("policy", "torso")} | fields
        network = from_nnx(partial(kind, observation_size, action_space, widths, initial_std=initial_std, dtype=dtype))
        return cls(observation_size, action_space, network, **fields)

    def init(self, key: jax.Array) -> Theta:
        network_key, rule_key = jax.random.split(key)
        weights = self.network.init(network_key)
        if unknown := set(self.adapted_parts or ()) - set(weights):
            raise ValueError(
                f"adapted_parts={self.adapted_parts}: the network has no part {sorted(unknown)}; it has {sorted(weights)}"
            )
        return Initialisation(weights, self.rule.init(self.adapted(weights), rule_key))

    def begin(self, theta: Theta, num_streams: int, key: jax.Array) -> tuple[Phi, Memory]:
        weights = self.adapted(theta.weights)
        return TaskWeights(weights, self.rule.begin(theta.rule, weights), jnp.zeros((), jnp.int32)), ()

    def act(self, theta: Theta, phi: Phi, memory: Memory, timestep: Timestep) -> tuple[Decision, Memory]:
        return self.network.apply(theta.weights | phi.weights, timestep.observation), memory

    def unroll(self, theta: Theta, phi: Phi, memory: Memory, timesteps: Timestep) -> tuple[Decision, Memory]:
        weights = theta.weights | phi.weights
        return jax.vmap(self.network.apply, in_axes=(None, 0))(weights, timesteps.observation), memory

    def adapt(self, theta: Theta, phi: Phi, memory: Memory, segment: Segment, key: jax.Array) -> tuple[Phi, Memory]:
        data, frozen = self.shared_out(self.judge(segment)), self.frozen(theta.weights)
        if not self.mixed_mode:
            gradient = jax.grad(self.loss)(phi.weights, frozen, data)
        elif self.stream_chunks == 1:
            gradient = mixed_mode_grad(self.loss)(phi.weights, frozen, data)
        else:
            gradient = mixed_mode_grad(self.loss, chunked=True)(phi.weights, frozen, split_axis(data, 1, self.stream_chunks))
        if self.first_order:
            gradient = jax.lax.stop_gradient(gradient)
        weights, state = self.rule.update(
            theta.rule, phi.rule_state, phi.weights, gradient, -segment.reward.mean(), phi.num_updates
        )
        return TaskWeights(weights, state, phi.num_updates + 1), memory

    def judge(self, segment: Segment) -> InnerData:
        """Returns the data of a segment [T, B] that the inner loss needs."""
        advantage, weight = episodic_advantages(segment, self.discount, self.features)
        first = segment.timestep.first
        return InnerData(segment.timestep.observation, segment.action, first, advantage, weight, behaviour_of(segment))

    def shared_out(self, data: InnerData) -> InnerData:
        """Returns constant data whose advantages are divided by the total weight, so that the loss is a sum over streams."""
        data = jax.lax.stop_gradient(data)
        return data._replace(advantage=data.advantage / jnp.maximum(data.weight.sum(), 1.0))

    def loss(self, weights: PyTree, frozen: PyTree, data: InnerData) -> jax.Array:
        """Returns minus the surrogate of ``shared_out`` data; ``weights`` are the adapted parts, ``frozen`` the others."""
        every = frozen | weights

        def log_prob(observation: jax.Array, action: jax.Array) -> jax.Array:
            return self.network.apply(every, observation).distribution.log_prob(action)

        length, num_streams = data.advantage.shape
        flat = [x.reshape(length * num_streams, *x.shape[2:]) for x in (data.observation, data.action)]
        log_probs = jax.vmap(log_prob)(*flat).reshape(data.advantage.shape)
        ratio = jax.lax.stop_gradient(
            jnp.exp(log_probs - data.behaviour)
        )  # exp(w - behaviour) = ratio * exp(w - stop_gradient(w))
        per_stream = jax.vmap(self.surrogate, in_axes=1)(log_probs, ratio * data.advantage, data.first)
        return -per_stream.sum()

    def adapted(self, weights: PyTree) -> PyTree:
        """Returns the adapted parts of the policy's parameters."""
        return weights if self.adapted_parts is None else {name: weights[name] for name in self.adapted_parts}

    def frozen(self, weights: PyTree) -> PyTree:
        """Returns the parts of the policy's parameters that do not adapt."""
        return (
            {} if self.adapted_parts is None else {name: part for name, part in weights.items() if name not in self.adapted_parts}
        )
