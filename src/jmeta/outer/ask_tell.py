"""Covariance matrix adaptation, and the other strategies of evosax, as outer learners."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.outer.evolution import Evolution, fitness_metrics
from jmeta.parallel import device_index, gather_devices, mean_over_devices
from jmeta.types import MetaState, Metrics, Theta


@struct.dataclass
class AskTell(Evolution):
    """A strategy of the evosax library, which says what to try and is told how well that went.

    It holds the whole population, and for some strategies a matrix of weights times weights: for small theta. ``deploy`` ships
    the mean of its distribution.

    Attributes:
      strategy: ``(population_size, theta) -> `` an evosax algorithm, such as ``evosax.algorithms.CMA_ES``; it minimises.
      sigma: standard deviation of the first population.

    References:
      Hansen 2016, arXiv 1604.00772 (CMA-ES); Lange 2022, arXiv 2212.04180 (evosax).
    """

    strategy: Callable[[int, Theta], Any] = struct.field(pytree_node=False, kw_only=True)
    sigma: jax.Array | float = 0.1

    def init(self, key: jax.Array) -> MetaState:
        theta_key, key = jax.random.split(key)
        theta = self.inner.init(theta_key)
        strategy, params = self._strategy(theta)
        searching = strategy.init(key, theta, params)
        return MetaState(theta, jax.tree.map(lambda x: jnp.asarray(x, jnp.result_type(x)), searching), ())

    def step_on_device(self, shared: tuple[MetaState, jax.Array], pairs: jax.Array) -> tuple[MetaState, Metrics]:
        state, keys = shared
        strategy, params = self._strategy(state.theta)
        ask_key, tell_key = jax.random.split(keys[0])
        population, searching = strategy.ask(ask_key, state.opt_state, params)
        number = 2 * len(pairs)
        mine = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, device_index() * number, number), population)
        fitness, metrics = self.over_members(lambda theta: self.fitness(theta, keys), mine)
        everyone = gather_devices(fitness)
        searching, _ = strategy.tell(tell_key, population, -everyone, searching, params)
        searching = jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), searching, state.opt_state)
        theta = strategy.get_mean(searching)
        metrics = mean_over_devices(jax.tree.map(jnp.mean, metrics))
        return MetaState(theta, searching, ()), metrics | fitness_metrics(everyone, theta)

    def _strategy(self, theta: Theta) -> tuple[Any, Any]:
        like = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), theta)
        strategy = self.strategy(self.population_size, like)
        return strategy, strategy.default_params.replace(std_init=self.sigma)
