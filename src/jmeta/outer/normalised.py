"""Running normalisation of observations and rewards for any outer learner."""

from typing import Any

import jax

from jmeta import struct
from jmeta.inner.normalised import MEASURED, Normalised, NormalisedTheta, WithStatistics
from jmeta.inner.statistics import Statistics
from jmeta.outer.base import OuterLearner
from jmeta.outer.random_lives import NUM_SAMPLED, live_randomly
from jmeta.tasks.base import TaskDistribution
from jmeta.types import MetaState, Metrics, Protocol, PyTree


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

    @property
    def credits_across_episodes(self) -> bool:
        return self.learner.credits_across_episodes

    def memory_remedy(self) -> str:
        return self.learner.memory_remedy()

    def check_devices(self, num_devices: int) -> None:
        self.learner.check_devices(num_devices)

    def under(self, statistics: Statistics) -> OuterLearner[PyTree]:
        """Returns the wrapped learner with its agent under given statistics; its theta holds no statistics."""
        inner: Normalised = self.inner.under(statistics)
        return self.learner.replace(inner=inner)

    def init(self, key: jax.Array) -> MetaState[NormalisedTheta]:
        learner_key, random_key = jax.random.split(key)
        state = self.learner.init(learner_key)
        random = live_randomly(self.tasks, self.protocol.segment_length, NUM_SAMPLED, random_key)
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
