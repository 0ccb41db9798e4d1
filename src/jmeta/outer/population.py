"""Base of evolution strategies: the fitness of a population of thetas, from the rewards of lifetimes."""

import abc
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
from jmeta.outer.checks import below, check_divides, check_fit, check_protocol, check_segment_weights, use_any
from jmeta.outer.metrics import lifetime_metrics
from jmeta.parallel import num_task_devices, over_tasks
from jmeta.ranges import Count, Finite, Positive
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

    @property
    def credits_across_episodes(self) -> bool:
        return True

    def check_devices(self, num_devices: int) -> None:
        check_divides("population_size", self.population_size, 2 * num_devices, f"pairs on {num_devices} device(s)")

    @property
    def num_env_steps(self) -> int:
        return int(self.population_size * self.num_tasks * self.protocol.num_env_steps)

    def meta_gradient(self, state: MetaState[Theta], key: jax.Array) -> None:
        """Returns None: evolution strategies differentiate nothing."""

    def memory_remedy(self) -> str:
        now = self.members_at_once or self.population_size // 2
        return use_any(below("members_at_once", now), f"fewer than num_tasks={self.num_tasks}")

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


def fitness_metrics(fitness: jax.Array, theta: Theta) -> Metrics:
    """Returns metrics of a population's fitness [n] and the size of the update."""
    return {
        "fitness": fitness.mean(),
        "fitness/best": fitness.max(),
        "fitness/std": fitness.std(),
        "theta_norm": optax.tree.norm(theta),
    }
