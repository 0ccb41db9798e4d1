"""Gradient-free adaptation of ES-MAML: an update from the returns of perturbed policies (Song et al. 2020, arXiv 1910.01215)."""

import abc
from functools import partial
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import optax

from jmeta import struct
from jmeta.inner.base import InnerLearner
from jmeta.networks import Network, from_nnx
from jmeta.networks.policies import FeedForwardPolicy
from jmeta.ranges import Count, Positive
from jmeta.types import ActionSpace, Decision, PyTree, Segment, Timestep


class TriedWeights(NamedTuple):
    """phi of zero-order learners."""

    weights: PyTree
    num_updates: jax.Array  # [] int32


@struct.dataclass
class ZeroOrder(InnerLearner[PyTree, TriedWeights, PyTree]):
    """Adapts the weights by the returns of streams that each act with perturbed weights for a segment.

    The memory of a stream is its perturbation eps, and its policy has the weights ``weights + sigma * eps``. After
    ``num_inner_steps`` adaptations all streams act with the task's weights. Returns of earlier segments are therefore those of
    perturbed policies. Theta is the initial weights. Adaptation is not differentiated, so train it with evolution strategies.

    Attributes:
      network: observation [observation_size] -> ``Decision``.
      sigma: standard deviation of the perturbations.
      num_inner_steps: number of segments with perturbed weights, each followed by an update.

    References:
      Song et al. 2020, arXiv 1910.01215.
    """

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)
    network: Network = struct.field(pytree_node=False)
    num_inner_steps: Count = struct.field(pytree_node=False)
    sigma: jax.Array | Positive = 0.1

    @classmethod
    def create(
        cls, observation_size: int, action_space: ActionSpace, widths: tuple[int, ...], *, initial_std: float, **fields: Any
    ) -> Self:
        """Builds the learner for a policy with hidden layers of these widths; ``fields`` are further attributes."""
        network = from_nnx(partial(FeedForwardPolicy, observation_size, action_space, widths, initial_std=initial_std))
        return cls(observation_size, action_space, network, **fields)

    @abc.abstractmethod
    def perturbations(self, weights: PyTree, num_streams: int, key: jax.Array) -> PyTree:
        """Returns the perturbations of all streams, leaves [num_streams, ...]."""

    @abc.abstractmethod
    def move(self, weights: PyTree, tried: PyTree, returns: jax.Array) -> PyTree:
        """Returns new weights from the perturbations of the streams, leaves [B, ...], and their returns [B]."""

    def init(self, key: jax.Array) -> PyTree:
        return self.network.init(key)

    def begin(self, theta: PyTree, num_streams: int, key: jax.Array) -> tuple[TriedWeights, PyTree]:
        return TriedWeights(theta, jnp.zeros((), jnp.int32)), self.perturbations(theta, num_streams, key)

    def act(self, theta: PyTree, phi: TriedWeights, memory: PyTree, timestep: Timestep) -> tuple[Decision, PyTree]:
        weights = optax.tree.add_scale(phi.weights, self.sigma, memory)
        return self.network.apply(weights, timestep.observation), memory

    def adapt(
        self, theta: PyTree, phi: TriedWeights, memory: PyTree, segment: Segment, key: jax.Array
    ) -> tuple[TriedWeights, PyTree]:
        tries = phi.num_updates < self.num_inner_steps
        moved = self.move(phi.weights, memory, segment.reward.sum(0))
        weights = jax.tree.map(lambda old, new: jnp.where(tries, new, old), phi.weights, moved)
        following = self.perturbations(weights, segment.reward.shape[1], key)
        goes_on = phi.num_updates + 1 < self.num_inner_steps
        memory = jax.tree.map(lambda x: jnp.where(goes_on, x, 0.0), following)
        return TriedWeights(weights, phi.num_updates + 1), memory


@struct.dataclass
class EvolutionGradient(ZeroOrder):
    """Takes an evolution-strategies gradient step on the return, with antithetic pairs of streams.

        weights <- weights + rate / (B sigma) sum_b standardised(R_b) eps_b

    Attributes:
      rate: learning rate, alpha of the paper.
    """

    rate: jax.Array | Positive = 0.05

    def perturbations(self, weights: PyTree, num_streams: int, key: jax.Array) -> PyTree:
        def pairs(x: jax.Array) -> jax.Array:
            return jnp.concatenate([x, -x])[:num_streams]

        return jax.tree.map(pairs, _noise(weights, -(-num_streams // 2), key))

    def move(self, weights: PyTree, tried: PyTree, returns: jax.Array) -> PyTree:
        shaped = (returns - returns.mean()) / (returns.std() + 1e-8)
        step = jax.tree.map(lambda eps: jnp.tensordot(shaped, eps, 1, precision="highest") / (len(returns) * self.sigma), tried)
        return optax.tree.add_scale(weights, self.rate, step)


@struct.dataclass
class HillClimbing(ZeroOrder):
    """Moves to the weights of the stream with the highest return; stream 0 keeps the task's weights."""

    def perturbations(self, weights: PyTree, num_streams: int, key: jax.Array) -> PyTree:
        return jax.tree.map(lambda x: x.at[0].set(0.0), _noise(weights, num_streams, key))

    def move(self, weights: PyTree, tried: PyTree, returns: jax.Array) -> PyTree:
        best = jnp.argmax(returns)
        return jax.tree.map(lambda w, eps: w + self.sigma * eps[best], weights, tried)


def _noise(weights: PyTree, number: int, key: jax.Array) -> PyTree:
    """Returns standard normal noise with the structure of ``weights``, leaves [number, ...]."""
    return jax.vmap(lambda key: optax.tree.random_like(key, weights))(jax.random.split(key, number))
