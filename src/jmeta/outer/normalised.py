"""Running normalisation of observations and rewards for any outer learner."""

import warnings
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.inner.normalised import MEASURED, Normalised, NormalisedTheta, WithStatistics
from jmeta.inner.statistics import Statistics
from jmeta.lifetime import live_in_new_task
from jmeta.outer.base import OuterLearner
from jmeta.references.classical import Random
from jmeta.tasks.base import TaskDistribution
from jmeta.types import TASK_AXES, Lifetime, MetaState, Metrics, Protocol, PyTree

NUM_SAMPLED = 64
"""Number of tasks with random actions that give the initial statistics."""
MOST_SAMPLED = 100
"""Maximum number of steps in each task when ``check_scale`` samples observations."""
LARGEST_UNWARNED, LEAST_UNWARNED = 100.0, 0.02
"""Warning thresholds: of the largest observation, and of the largest standard deviation of a feature."""


@struct.dataclass
class Normalising(OuterLearner[NormalisedTheta]):
    """Wraps an outer learner so that its agent sees observations, and rewards, normalised by running statistics.

    The statistics are initialised with random actions in a few tasks. At each outer step the wrapped learner rolls out, replays
    and learns with its inner learner under the current statistics (``jmeta.inner.normalised``). The data of the step is then
    merged into them. So they are constant within a step, equal on all devices, and saved and deployed with theta. They do not
    change after deployment. Metrics and fitness are of the rewards that the tasks gave.

    Attributes:
      learner: the wrapped outer learner.
      observations: whether observations are normalised.
      rewards: whether rewards are normalised.

    Raises:
      ValueError: if there is nothing to normalise, or the inner learner does not support it.
    """

    learner: Any  # an OuterLearner
    observations: bool = struct.field(pytree_node=False)
    rewards: bool = struct.field(pytree_node=False)

    def __post_init__(self) -> None:
        if not (self.observations or self.rewards):
            raise ValueError("observations=False and rewards=False: there is nothing to normalise; use the learner itself")
        if isinstance(self.learner, Normalising):
            raise ValueError("the learner is normalised already: build it without normalize_observations and normalize_rewards")
        self.learner.inner.check_normalisable(self.observations, self.rewards)

    @property
    def inner(self) -> WithStatistics:  # type: ignore[override]
        return WithStatistics(self.learner.inner, self.observations, self.rewards)

    @property
    def tasks(self) -> TaskDistribution:  # type: ignore[override]
        return self.learner.tasks

    @property
    def protocol(self) -> Protocol:  # type: ignore[override]
        return self.learner.protocol

    @property
    def num_tasks(self) -> int:  # type: ignore[override]
        return self.learner.num_tasks

    @property
    def num_env_steps(self) -> int:
        return self.learner.num_env_steps

    def memory_remedy(self) -> str:
        return self.learner.memory_remedy()

    def check_devices(self, num_devices: int) -> None:
        self.learner.check_devices(num_devices)

    def under(self, statistics: Statistics) -> OuterLearner[PyTree]:
        """Returns the wrapped learner with its agent under given statistics; its theta holds no statistics."""
        inner: Normalised = self.inner.under(statistics)
        return self.learner.replace(inner=inner)

    def init(self, key: jax.Array) -> MetaState[NormalisedTheta]:
        state = self.learner.init(key)
        random = live_randomly(self.tasks, self.protocol.segment_length, NUM_SAMPLED, jax.random.fold_in(key, 1))
        return state._replace(theta=NormalisedTheta(state.theta, Statistics.of(random)))

    def init_with(self, theta: NormalisedTheta, key: jax.Array) -> MetaState[NormalisedTheta]:
        """Returns an initial meta-state with given parameters and statistics, so that the agent sees what it was trained on.

        The statistics keep their number of steps, and later outer steps are merged into them as before.
        """
        return self.learner.init_with(theta.parameters, key)._replace(theta=theta)

    def step(self, state: MetaState[NormalisedTheta], key: jax.Array) -> tuple[MetaState[NormalisedTheta], Metrics]:
        theta, statistics = state.theta
        after, metrics = self.under(statistics).step(state._replace(theta=theta), key)
        measured = {name: metrics.pop(name) for name in MEASURED}
        statistics = statistics.merge(measured, self.num_env_steps)
        metrics |= {"normalisation/reward_scale": statistics.reward_scale} if self.rewards else {}
        return after._replace(theta=NormalisedTheta(after.theta, statistics)), metrics

    def meta_gradient(self, state: MetaState[NormalisedTheta], key: jax.Array) -> PyTree:
        """Returns the wrapped learner's meta-gradient in its own theta; the statistics have none."""
        theta, statistics = state.theta
        return self.under(statistics).meta_gradient(state._replace(theta=theta), key)

    def deploy(self, state: MetaState[NormalisedTheta]) -> NormalisedTheta:
        theta, statistics = state.theta
        return NormalisedTheta(self.under(statistics).deploy(state._replace(theta=theta)), statistics)


def live_randomly(tasks: TaskDistribution, length: int, num_tasks: int, key: jax.Array) -> Lifetime:
    """Returns ``length`` steps of random actions in each of ``num_tasks`` tasks, [1, length, num_tasks, 1]."""
    agent = Random(tasks.observation_size, tasks.action_space)

    def live(key: jax.Array) -> Lifetime:
        return live_in_new_task(agent, tasks, (), key, protocol=Protocol(1, length, 1))[1]

    return jax.vmap(live, out_axes=TASK_AXES)(jax.random.split(key, num_tasks))


def check_scale(outer: OuterLearner) -> None:
    """Warns if observations under random actions are far from unit scale and are not normalised.

    Networks are initialised for inputs of about unit scale: larger ones saturate hidden units, and smaller ones hardly change
    them. A feature may be much smaller than others, as velocities beside positions, so only the largest is checked for that.
    """
    if isinstance(outer, Normalising) and outer.observations:
        return
    largest, std = (float(x) for x in _sampled_scale(outer.tasks, min(outer.protocol.segment_length, MOST_SAMPLED)))
    if largest > LARGEST_UNWARNED or 0.0 < std < LEAST_UNWARNED:
        found = f"reach {largest:.4g}" if largest > LARGEST_UNWARNED else f"vary by {std:.2g} at most"
        warnings.warn(
            f"observations of {type(outer.tasks).__name__} {found}, which is far from the unit scale that networks are made for: "
            "use normalize_observations=True (--normalize-observations), or scale them in the environment",
            UserWarning,
            stacklevel=3,
        )


@partial(jax.jit, static_argnames=("tasks", "length"))
def _sampled_scale(tasks: TaskDistribution, length: int) -> tuple[jax.Array, jax.Array]:
    """Returns the largest observation, and the largest standard deviation of a feature, under random actions."""
    observation = live_randomly(tasks, length, NUM_SAMPLED, jax.random.key(0)).segments.timestep.observation
    return jnp.abs(observation).max(), observation.std(tuple(range(observation.ndim - 1))).max()
