"""Evolution strategies: meta-learning from the rewards of lifetimes, without gradients (Salimans et al. 2017, 1703.03864)."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jmeta import struct
from jmeta.outer.population import Evolution, PopulationSettings, fitness_metrics
from jmeta.outer.schedules import remaining_rate
from jmeta.parallel import device_index, gather_devices, mean_over_devices
from jmeta.ranges import Count, NonNegative, Positive
from jmeta.types import MetaState, Metrics, Theta


@struct.settings
class OpenAIESSettings(PopulationSettings):
    """Settings of an evolution strategy that follows a gradient estimate.

    Attributes:
      learning_rate: learning rate of Adam, the outer optimiser.
      weight_decay: weight decay; theta times it is subtracted from the gradient before Adam; 0.005 in the authors' code.
      anneal_steps: outer steps over which the learning rate falls linearly to zero; constant by default.
    """

    learning_rate: jax.Array | Positive = 1e-2
    weight_decay: jax.Array | NonNegative = 0.0
    anneal_steps: Count | None = struct.field(pytree_node=False, default=None)


@struct.dataclass
class OpenAIES(Evolution[Theta], OpenAIESSettings):
    """Gradient ascent on the fitness smoothed by a Gaussian, estimated from pairs of opposite perturbations.

        gradient = 1 / (n sigma) sum_i [shaped(F(theta + sigma eps_i)) - shaped(F(theta - sigma eps_i))] eps_i

    over n / 2 pairs, in the same tasks and with the same random numbers. ``shaped`` replaces fitness by its centred rank among
    all n members, so only the order counts. Perturbations are not stored but drawn again from their keys, so memory does not grow
    with the product of population size and number of weights.

    Attributes:
      ranked: whether fitness is replaced by ranks; False gives the plain, unbiased estimate.
      optimizer: learning rate -> optax transformation.

    References:
      Salimans et al. 2017, arXiv 1703.03864.
    """

    _: dataclasses.KW_ONLY
    ranked: bool = struct.field(pytree_node=False, default=True)
    optimizer: Callable[[Any], optax.GradientTransformation] = struct.field(pytree_node=False, default=optax.adam)

    def init(self, key: jax.Array) -> MetaState[Theta]:
        theta = self.inner.init(key)
        return MetaState(theta, self.optimizer(self.learning_rate).init(theta), jnp.zeros((), jnp.int32))

    def step_on_device(
        self, shared: tuple[MetaState[Theta], jax.Array, jax.Array], pairs: jax.Array
    ) -> tuple[MetaState[Theta], Metrics]:
        state, keys, search_key = shared
        theta = state.theta
        pair_keys = jax.random.split(search_key, self.population_size // 2)
        gradient, fitness, metrics = self.gradient(theta, keys, pair_keys[pairs])
        gradient = optax.tree.add_scale(gradient, -jnp.asarray(self.weight_decay, jnp.float32), theta)
        updates, opt_state = self.optimizer(self.learning_rate).update(optax.tree.scale(-1.0, gradient), state.opt_state, theta)
        theta = optax.apply_updates(theta, optax.tree.scale(remaining_rate(state.extra, self.anneal_steps), updates))
        metrics |= fitness_metrics(fitness, theta) | {"gradient_norm": optax.tree.norm(gradient)}
        return MetaState(theta, opt_state, state.extra + 1), metrics

    def gradient(self, theta: Theta, keys: jax.Array, pairs: jax.Array) -> tuple[Theta, jax.Array, Metrics]:
        """Returns the estimate from the pairs of all devices, the fitness [n] of all members, and metrics of their lifetimes."""

        def both(pair: jax.Array) -> tuple[jax.Array, Metrics]:
            noise = optax.tree.random_like(pair, theta)
            sides = [self.fitness(optax.tree.add_scale(theta, sign * self.sigma, noise), keys) for sign in (1.0, -1.0)]
            return jnp.stack([sides[0][0], sides[1][0]]), jax.tree.map(lambda a, b: (a + b) / 2, sides[0][1], sides[1][1])

        fitness, metrics = self.over_members(both, pairs)
        everyone = gather_devices(fitness)
        shaped = centred_ranks(everyone.reshape(-1)).reshape(everyone.shape) if self.ranked else everyone
        start = device_index() * len(pairs)
        weight = jax.lax.dynamic_slice_in_dim(shaped[:, 0] - shaped[:, 1], start, len(pairs))

        def add(total: Theta, pair_and_weight: tuple[jax.Array, jax.Array]) -> tuple[Theta, None]:
            pair, weight = pair_and_weight
            return optax.tree.add_scale(total, weight, optax.tree.random_like(pair, theta)), None

        total, _ = jax.lax.scan(add, optax.tree.zeros_like(theta), (pairs, weight))
        mean = mean_over_devices(optax.tree.scale(1.0 / (2 * len(pairs) * self.sigma), total))
        return mean, everyone.reshape(-1), mean_over_devices(jax.tree.map(lambda x: x.mean(0), metrics))


def centred_ranks(fitness: jax.Array) -> jax.Array:
    """Returns the ranks of [n] values, spread evenly over [-1/2, 1/2]; equal values share the mean of their ranks."""
    return (jax.scipy.stats.rankdata(fitness).astype(fitness.dtype) - 1.0) / max(len(fitness) - 1, 1) - 0.5
