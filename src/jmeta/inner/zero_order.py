"""Adaptation without a gradient, as in ES-MAML: streams try different weights, and returns tell (Song et al. 2020)."""

import abc
from functools import partial
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import optax

from jmeta import struct
from jmeta.inner.base import InnerLearner
from jmeta.inner.maml import FeedForwardPolicy
from jmeta.networks import Network, from_nnx
from jmeta.ranges import Count, Positive
from jmeta.types import ActionSpace, Decision, Memory, Phi, PyTree, Segment, Theta, Timestep


class TriedWeights(NamedTuple):
    """Phi of zero-order learners."""

    weights: PyTree
    num_updates: jax.Array  # [] int32


@struct.dataclass
class ZeroOrder(InnerLearner):
    """Each stream lives a segment with weights of its own near the task's, and how much each earned decides where those go.

    A stream's memory is its perturbation eps, and it acts by ``weights + sigma * eps``. After ``num_inner_steps`` adaptations
    there is nothing left to try: all streams then act by the task's weights. So what is earned in earlier segments is earned
    while trying. Theta is the initial weights; no derivative is taken, so train it with evolution strategies.

    Attributes:
      network: observation [observation_size] -> ``Decision``.
      sigma: of the perturbations.
      num_inner_steps: segments that are for trying.

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
        """Builds the learner for a policy with hidden layers of these widths; ``fields`` are the others."""
        network = from_nnx(partial(FeedForwardPolicy, observation_size, action_space, widths, initial_std=initial_std))
        return cls(observation_size, action_space, network, **fields)

    @abc.abstractmethod
    def perturbations(self, weights: PyTree, num_streams: int, key: jax.Array) -> PyTree:
        """Returns the perturbations of all streams, leaves [num_streams, ...]."""

    @abc.abstractmethod
    def move(self, weights: PyTree, tried: PyTree, returns: jax.Array) -> PyTree:
        """New weights from what was tried, leaves [B, ...], and what it earned [B]."""

    def init(self, key: jax.Array) -> Theta:
        return self.network.init(key)

    def begin(self, theta: Theta, num_streams: int, key: jax.Array) -> tuple[Phi, Memory]:
        return TriedWeights(theta, jnp.zeros((), jnp.int32)), self.perturbations(theta, num_streams, key)

    def act(self, theta: Theta, phi: Phi, memory: Memory, timestep: Timestep) -> tuple[Decision, Memory]:
        weights = optax.tree.add_scale(phi.weights, self.sigma, memory)
        return self.network.apply(weights, timestep.observation), memory

    def adapt(self, theta: Theta, phi: Phi, memory: Memory, segment: Segment, key: jax.Array) -> tuple[Phi, Memory]:
        tries = phi.num_updates < self.num_inner_steps
        moved = self.move(phi.weights, memory, segment.reward.sum(0))
        weights = jax.tree.map(lambda old, new: jnp.where(tries, new, old), phi.weights, moved)
        following = self.perturbations(weights, segment.reward.shape[1], key)
        goes_on = phi.num_updates + 1 < self.num_inner_steps
        memory = jax.tree.map(lambda x: jnp.where(goes_on, x, 0.0), following)
        return TriedWeights(weights, phi.num_updates + 1), memory


@struct.dataclass
class EvolutionGradient(ZeroOrder):
    """A step along the evolution-strategies gradient of the return, from opposite pairs of streams.

        weights <- weights + rate / (B sigma) sum_b standardised(R_b) eps_b

    Attributes:
      rate: alpha of the paper.
    """

    rate: jax.Array | Positive = 0.05

    def perturbations(self, weights: PyTree, num_streams: int, key: jax.Array) -> PyTree:
        def pairs(x: jax.Array) -> jax.Array:
            return jnp.concatenate([x, -x])[:num_streams]

        return jax.tree.map(pairs, _noise(weights, -(-num_streams // 2), key))

    def move(self, weights: PyTree, tried: PyTree, returns: jax.Array) -> PyTree:
        shaped = (returns - returns.mean()) / (returns.std() + 1e-8)
        step = jax.tree.map(lambda eps: jnp.tensordot(shaped, eps, 1) / (len(returns) * self.sigma), tried)
        return optax.tree.add_scale(weights, self.rate, step)


@struct.dataclass
class HillClimbing(ZeroOrder):
    """The best of what was tried, if it is better than staying: stream 0 tries the task's weights themselves."""

    def perturbations(self, weights: PyTree, num_streams: int, key: jax.Array) -> PyTree:
        return jax.tree.map(lambda x: x.at[0].set(0.0), _noise(weights, num_streams, key))

    def move(self, weights: PyTree, tried: PyTree, returns: jax.Array) -> PyTree:
        best = jnp.argmax(returns)
        return jax.tree.map(lambda w, eps: w + self.sigma * eps[best], weights, tried)


def _noise(weights: PyTree, number: int, key: jax.Array) -> PyTree:
    """Standard normal trees like weights, leaves [number, ...]."""
    return jax.vmap(lambda key: optax.tree.random_like(key, weights))(jax.random.split(key, number))
