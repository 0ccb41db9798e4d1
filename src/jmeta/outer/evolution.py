"""Evolution strategies: meta-learning from the rewards of lifetimes, without gradients (Salimans et al. 2017, 1703.03864)."""

import abc
import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jmeta import struct
from jmeta.inner.base import InnerLearner
from jmeta.lifetime import live_in_new_task
from jmeta.outer.base import OuterLearner
from jmeta.outer.checks import check_divides, check_fit, check_protocol, check_segment_weights, use_smaller
from jmeta.outer.metrics import lifetime_metrics
from jmeta.outer.schedules import remaining_rate
from jmeta.parallel import device_index, gather_devices, mean_over_devices, num_task_devices, over_tasks
from jmeta.ranges import Count, Finite, NonNegative, Positive
from jmeta.tasks.base import TaskDistribution
from jmeta.types import TASK_AXES, MetaState, Metrics, Protocol, PyTree, Theta


@struct.settings
class PopulationSettings:
    """Settings of the population of an evolution strategy.

    Attributes:
      num_tasks: tasks on which each member of the population is evaluated, the same tasks for all members.
      population_size: members of the population, in pairs of opposite perturbations; even.
      members_at_once: pairs of members (single members for CMA-ES) that one device evaluates at once, which bounds memory; all by
        default.
      sigma: standard deviation of the perturbations of theta; the initial one for CMA-ES, which adapts it.
    """

    num_tasks: Count = struct.field(pytree_node=False)
    population_size: Count = struct.field(pytree_node=False)
    members_at_once: Count | None = struct.field(pytree_node=False, default=None)
    sigma: jax.Array | Positive = 0.1


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
class Evolution(OuterLearner[Theta], PopulationSettings):
    """Base of evolution strategies: rolls out a population of thetas in the same tasks and with the same random numbers.

    The fitness of a theta is the mean over ``num_tasks`` new tasks of the rewards of a lifetime, weighted by segment. Any inner
    learner can be used, since nothing is differentiated or replayed. Members of the population are split over devices.

    Attributes:
      segment_weights: weight of each segment's rewards.
    """

    inner: InnerLearner[Theta, Any, Any]
    tasks: TaskDistribution = struct.field(pytree_node=False)
    protocol: Protocol = struct.field(pytree_node=False)
    segment_weights: tuple[Finite, ...] = struct.field(pytree_node=False)

    def __post_init__(self) -> None:
        check_protocol(self.tasks, self.protocol)
        check_fit(self.inner, self.tasks)
        check_segment_weights(self.segment_weights, self.protocol)
        self.check_devices(1)

    def check_devices(self, num_devices: int) -> None:
        check_divides("population_size", self.population_size, 2 * num_devices, f"pairs on {num_devices} device(s)")

    @property
    def num_env_steps(self) -> int:
        return self.population_size * self.num_tasks * self.protocol.num_env_steps

    def meta_gradient(self, state: MetaState[Theta], key: jax.Array) -> None:
        """Returns None: evolution strategies differentiate nothing."""

    def memory_remedy(self) -> str:
        now = self.members_at_once or self.population_size // 2
        return f"{use_smaller('members_at_once', now)}fewer than num_tasks={self.num_tasks}"

    def step(self, state: MetaState[Theta], key: jax.Array) -> tuple[MetaState[Theta], Metrics]:
        self.check_devices(num_task_devices())
        live_key, search_key = jax.random.split(key)
        shared = (state, jax.random.split(live_key, self.num_tasks), search_key)
        return over_tasks(self.step_on_device)(shared, jnp.arange(self.population_size // 2))

    @abc.abstractmethod
    def step_on_device(
        self, shared: tuple[MetaState[Theta], jax.Array, jax.Array], pairs: jax.Array
    ) -> tuple[MetaState[Theta], Metrics]:
        """Takes the outer step on one device.

        Args:
          shared: the state, keys [num_tasks] of the lifetimes, common to all members, and the key of the search.
          pairs: the indices of this device's share of the population's pairs.
        """

    def fitness(self, theta: Theta, keys: jax.Array) -> tuple[jax.Array, Metrics]:
        """Returns the fitness [] of one theta on lifetimes with these keys, and their metrics."""
        live = partial(live_in_new_task, self.inner, self.tasks, theta, protocol=self.protocol)
        _, lifetimes = jax.vmap(live, out_axes=(0, TASK_AXES))(keys)
        earned = lifetimes.segments.reward.sum(1).mean((1, 2))  # [K]
        metrics = lifetime_metrics(self.tasks, self.protocol, lifetimes) | self.inner.measure(lifetimes)
        return (earned * jnp.asarray(self.segment_weights, jnp.float32)).sum(), metrics

    def over_members(self, function: Callable[[PyTree], PyTree], members: PyTree) -> PyTree:
        """Applies ``function`` to each member, leaves [n, ...], ``members_at_once`` at a time."""
        number = jax.tree.leaves(members)[0].shape[0]
        return jax.lax.map(function, members, batch_size=min(self.members_at_once or number, number))


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


def fitness_metrics(fitness: jax.Array, theta: Theta) -> Metrics:
    """Returns metrics of a population's fitness [n] and the size of the update."""
    return {
        "fitness": fitness.mean(),
        "fitness/best": fitness.max(),
        "fitness/std": fitness.std(),
        "theta_norm": optax.tree.norm(theta),
    }


def centred_ranks(fitness: jax.Array) -> jax.Array:
    """Returns the ranks of [n] values, spread evenly over [-1/2, 1/2]; equal values share the mean of their ranks."""
    return (jax.scipy.stats.rankdata(fitness).astype(fitness.dtype) - 1.0) / max(len(fitness) - 1, 1) - 0.5
