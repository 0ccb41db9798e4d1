"""Covariance matrix adaptation, and the other strategies of evosax, as outer learners."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.outer.population import Evolution, fitness_metrics
from jmeta.parallel import device_index, gather_devices, mean_over_devices
from jmeta.types import MetaState, Metrics, Theta


@struct.dataclass
class AskTell(Evolution[Theta]):
    """Runs a strategy of the evosax library through its ask-tell interface.

    It stores the whole population and, for some strategies, a covariance matrix of all weights, so it suits a small theta.
    ``deploy`` returns the mean of the search distribution.

    Attributes:
      strategy: function of ``(population_size, theta)`` that returns an evosax algorithm, which minimises.
        ``jmeta.outer.matrix_cma.MatrixCMA`` is its CMA-ES. Strategies that call LAPACK are rejected: on a CPU two concurrent
        batched calls of it can deadlock.

    Raises:
      ValueError: for a strategy that calls LAPACK, or that has no mean to deploy.

    References:
      Hansen 2016, arXiv 1604.00772 (CMA-ES); Lange 2022, arXiv 2212.04180 (evosax).
    """

    strategy: Callable[[int, Theta], Any] = struct.field(pytree_node=False, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        leaves, structure = jax.tree.flatten(jax.eval_shape(self.inner.init, jax.random.key(0)))
        _check_strategy(self.strategy, self.population_size, structure, tuple((x.shape, x.dtype) for x in leaves))

    def init(self, key: jax.Array) -> MetaState[Theta]:
        theta_key, key = jax.random.split(key)
        theta = self.inner.init(theta_key)
        strategy, params = self._strategy(theta)
        searching = strategy.init(key, theta, params)
        return MetaState(theta, jax.tree.map(_settled, searching), ())

    def step_on_device(
        self, shared: tuple[MetaState[Theta], jax.Array, jax.Array], pairs: jax.Array
    ) -> tuple[MetaState[Theta], Metrics]:
        state, keys, search_key = shared
        strategy, params = self._strategy(state.theta)
        ask_key, tell_key = jax.random.split(search_key)
        with jax.numpy_rank_promotion("allow"):  # evosax adds arrays of different ranks
            population, searching = strategy.ask(ask_key, state.opt_state, params)
        population = jax.tree.map(lambda x, like: x.astype(like.dtype), population, state.theta)
        number = 2 * len(pairs)
        mine = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, device_index() * number, number), population)
        fitness, metrics = self.over_members(lambda theta: self.fitness(theta, keys), mine)
        everyone = gather_devices(fitness)
        with jax.numpy_rank_promotion("allow"):
            searching, _ = strategy.tell(tell_key, population, -everyone, searching, params)
        searching = jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), searching, state.opt_state)
        theta = jax.tree.map(lambda x, like: x.astype(like.dtype), strategy.get_mean(searching), state.theta)
        metrics = mean_over_devices(jax.tree.map(lambda x: x.mean(0), metrics))
        return MetaState(theta, searching, ()), metrics | fitness_metrics(everyone, theta)

    def _strategy(self, theta: Theta) -> tuple[Any, Any]:
        like = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), theta)
        strategy = self.strategy(self.population_size, like)
        return strategy, strategy.default_params.replace(std_init=self.sigma)


def _settled(leaf: Any) -> jax.Array:
    """Returns a leaf of a strategy's state with a dtype that does not change: float32, as theta has, if it is floating-point."""
    kind = jnp.result_type(leaf)
    return jnp.asarray(leaf, jnp.float32 if jnp.issubdtype(kind, jnp.floating) else kind)


@functools.lru_cache
def _check_strategy(make: Callable[[int, Theta], Any], population_size: int, structure: Any, leaves: tuple[Any, ...]) -> None:
    """Raises ValueError for a strategy that has no mean, or whose ``ask`` or ``tell`` calls LAPACK on a CPU."""
    theta = jax.tree.unflatten(structure, [jnp.zeros(shape, dtype) for shape, dtype in leaves])
    strategy = make(population_size, theta)
    name = getattr(make, "__name__", repr(make))
    if not hasattr(strategy, "get_mean"):
        raise ValueError(f"strategy={name} has no mean to deploy: use a distribution-based one, such as Sep_CMA_ES")

    def generation(key: jax.Array) -> Any:
        state = strategy.init(key, theta, strategy.default_params)
        population, state = strategy.ask(key, state, strategy.default_params)
        return strategy.tell(key, population, jnp.zeros(population_size), state, strategy.default_params)

    with jax.numpy_rank_promotion("allow"):
        text = jax.jit(generation).trace(jax.random.key(0)).lower(lowering_platforms=("cpu",)).as_text()
    if "lapack" in text:
        raise ValueError(
            f"strategy={name} calls LAPACK, and two concurrent batched LAPACK calls can deadlock on a CPU: use "
            "one that does not, such as jmeta.outer.matrix_cma.MatrixCMA (CMA-ES) or Sep_CMA_ES"
        )
