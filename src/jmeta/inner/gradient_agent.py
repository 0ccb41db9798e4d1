"""Agents that adapt a policy from a meta-learned initialisation by policy gradients; ``MAML`` and ``IMAML`` extend the base."""

import abc
import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
from flax import nnx

from jmeta import struct
from jmeta.inner.base import InnerLearner
from jmeta.inner.gradient_settings import (
    SURROGATES,
    AdaptationSettings,
    BaselineSettings,
    MixedModeSettings,
    Surrogate,
    SurrogateSettings,
)
from jmeta.inner.inner_data import InnerData, behaviour_of
from jmeta.inner.update_rule import UpdateRule
from jmeta.networks import Network, from_nnx
from jmeta.networks.policies import FeedForwardPolicy, FeedForwardPolicyWithCritic
from jmeta.objectives import critic_features, linear_features, low_variance_curvature
from jmeta.objectives.advantages import Features, episodic_advantages
from jmeta.settings import DiscountSettings, FirstOrderSettings
from jmeta.types import ActionSpace, Decision, Empty, PyTree, Segment, Timestep

BuildPolicy = Callable[..., nnx.Module]


class Initialisation(NamedTuple):
    """Theta of a ``GradientAgent``."""

    weights: PyTree  # initial parameters of the policy in every task: a dictionary of parts
    rule: PyTree  # meta-parameters of the update rule, () if it has none


class TaskWeights(NamedTuple):
    """Phi of a ``GradientAgent``."""

    weights: PyTree  # adapted parts of the policy's parameters
    rule_state: PyTree  # state of the update rule
    num_updates: jax.Array  # [] int32, inner steps taken


@struct.dataclass
class GradientAgent(InnerLearner[Initialisation, TaskWeights, Empty], DiscountSettings, FirstOrderSettings, MixedModeSettings):
    """Base of agents that adapt a policy from a meta-learned initialisation by the policy gradient of a segment.

    Theta holds the initial weights, and phi the weights in the task.

    Each decision is weighted by its likelihood ratio to the behaviour policy, pi(a|s) / behaviour(a|s). The ratio is 1 in a
    rollout and in the first outer update on the recorded data. Later updates replay the data under weights that differ from the
    behaviour policy's (Rothfuss et al. 2019, arXiv 1810.06784, equation 12).

    Attributes:
      network: observation [observation_size] -> ``Decision``; its parameters are a dictionary of parts.
      rule: update rule of the inner steps.
      adapted_parts: names of the parts that adapt; the others are the same in all tasks (ANIL, CAVIA). None for all parts.
      features: features of the linear baseline, ``(observation [T, D], step [T], value [T]) -> [T, F]``: functions of state and
        time, or ``critic_features`` for a network with a critic.
      surrogate: ``(log_prob [T], advantage [T], first [T]) -> []``.
    """

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)
    network: Network = struct.field(pytree_node=False)
    rule: UpdateRule
    _: dataclasses.KW_ONLY
    adapted_parts: tuple[str, ...] | None = struct.field(pytree_node=False, default=None)
    features: Features = struct.field(pytree_node=False, default=linear_features)
    surrogate: Surrogate = struct.field(pytree_node=False, default=low_variance_curvature)

    @classmethod
    def create(
        cls,
        observation_size: int,
        action_space: ActionSpace,
        settings: AdaptationSettings,
        rule: UpdateRule,
        *,
        build_policy: BuildPolicy | None = None,
        **fields: Any,
    ) -> Self:
        """Builds the agent with a feed-forward policy, which has the parts "torso" (hidden layers) and "policy".

        With ``baseline="critic"`` in ``BaselineSettings``, the policy also has the parts "critic" and "value", which do not adapt
        by default.

        Args:
          observation_size: length of the observation vector.
          action_space: action space of the tasks.
          settings: sizes of the policy, and values of those fields of the class that they contain.
          rule: update rule of the inner steps.
          build_policy: makes another network for the policy.
          **fields: further fields.

        Raises:
          ValueError: for a network of one's own with ``baseline="critic"``.
        """
        fields = struct.fields_for(cls, settings) | fields
        if isinstance(settings, SurrogateSettings):
            fields["surrogate"] = SURROGATES[settings.surrogate]
        if isinstance(settings, BaselineSettings) and settings.baseline == "critic":
            if build_policy is not None:
                raise ValueError(
                    "baseline='critic' has a network of its own, FeedForwardPolicyWithCritic: leave out build_policy"
                )
            build_policy = FeedForwardPolicyWithCritic
            fields = {"adapted_parts": ("policy", "torso"), "features": critic_features} | fields
        build_policy = build_policy or FeedForwardPolicy
        widths, initial_std, dtype = settings.widths, settings.initial_std, settings.compute_dtype
        network = from_nnx(partial(build_policy, observation_size, action_space, widths, initial_std=initial_std, dtype=dtype))
        return cls(observation_size, action_space, network, rule, **fields)

    def init(self, key: jax.Array) -> Initialisation:
        network_key, rule_key = jax.random.split(key)
        weights = self.network.init(network_key)
        if unknown := set(self.adapted_parts or ()) - set(weights):
            raise ValueError(
                f"adapted_parts={self.adapted_parts}: the network has no part {sorted(unknown)}; it has {sorted(weights)}"
            )
        return Initialisation(weights, self.rule.init(self.adapted(weights), rule_key))

    def begin(self, theta: Initialisation, num_streams: int, key: jax.Array) -> tuple[TaskWeights, Empty]:
        weights = self.adapted(theta.weights)
        return TaskWeights(weights, self.rule.begin(theta.rule, weights), jnp.zeros((), jnp.int32)), ()

    def act(self, theta: Initialisation, phi: TaskWeights, memory: Empty, timestep: Timestep) -> tuple[Decision, Empty]:
        return self.network.apply(theta.weights | phi.weights, timestep.observation), memory

    def unroll(self, theta: Initialisation, phi: TaskWeights, memory: Empty, timesteps: Timestep) -> tuple[Decision, Empty]:
        weights = theta.weights | phi.weights
        return jax.vmap(self.network.apply, in_axes=(None, 0))(weights, timesteps.observation), memory

    @abc.abstractmethod
    def adapt(
        self, theta: Initialisation, phi: TaskWeights, memory: Empty, segment: Segment, key: jax.Array
    ) -> tuple[TaskWeights, Empty]: ...

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
