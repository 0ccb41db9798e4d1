"""Credit assignment: advantages and value targets of the decisions of a lifetime.

``LifetimeCritic`` uses a learned critic and assigns credit across episodes up to the end of the lifetime, so exploration in the
first episode is credited with rewards of the last. It is for learners that adapt through their memory. ``EpisodeBaseline`` fits
a linear baseline to each task's data and assigns credit within the episode. It is for learners that adapt between segments;
``Exploration`` adds credit for the data of an adaptation. ``EpisodeCritic`` is the critic for learners that do not adapt at all.
"""

import abc
import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.objectives import generalized_advantages
from jmeta.objectives.advantages import episodic_advantages, raw_advantages, spread
from jmeta.parallel import mean_over_devices, num_task_devices
from jmeta.ranges import NonNegative, Share
from jmeta.settings import DiscountSettings
from jmeta.types import TASK_AXES, Lifetime, PyTree, Segment


class Credit(NamedTuple):
    """Advantage, weight and value target of every decision, [K, T, N, B] each."""

    # Critics: mean 0, variance 1 over all decisions that count. ``EpisodeBaseline``: over each segment of each task.
    # ``Exploration``: scaled by a spread but not centred before the last segment. A variance that is almost 0 stays small.
    advantage: jax.Array
    weight: jax.Array  # 0 where a decision does not count
    value_target: jax.Array  # target of Decision.value, in the critic's units


class CreditAssignment(abc.ABC):
    """Advantages and value targets of an on-policy outer learner.

    Attributes:
      has_critic: whether there is a critic to train.
    """

    has_critic: ClassVar[bool] = False

    @abc.abstractmethod
    def init(self) -> PyTree:
        """Returns initial statistics, which are carried from one outer step to the next."""

    @abc.abstractmethod
    def assign(self, statistics: PyTree, lifetimes: Lifetime) -> tuple[Credit, PyTree]:
        """Returns the credit of this device's lifetimes [K, T, N, B], and new statistics, which are equal on all devices."""

    @abc.abstractmethod
    def value_loss(self, value: jax.Array, target: jax.Array) -> jax.Array:
        """Returns the critic's loss for one decision, times its coefficient."""


class ReturnScale(NamedTuple):
    """Moving mean and variance of the lifetime return-to-go, and the total weight of the batches in them.

    The variance is computed from squared deviations, not as the difference of two large numbers.
    """

    mean: jax.Array
    variance: jax.Array
    weight: jax.Array  # [] in [0, 1], 0 before anything was seen

    def location_and_scale(self) -> tuple[jax.Array, jax.Array]:
        known = self.weight > 0
        scale = jnp.maximum(jnp.sqrt(jnp.maximum(self.variance, 1e-8)), 1e-2)
        return jnp.where(known, self.mean, 0.0), jnp.where(known, scale, 1.0)

    def moved(self, mean: jax.Array, variance: jax.Array, rate: jax.Array | float) -> "ReturnScale":
        """Returns the statistics after a batch with these moments; the initial moments have no weight."""
        weight = self.weight + rate * (1.0 - self.weight)
        share = rate / jnp.where(weight > 0, weight, 1.0)
        away = mean - self.mean
        # The variance of a mixture of two distributions with weights (1 - share) and share.
        mixed = (1.0 - share) * self.variance + share * variance + share * (1.0 - share) * jnp.square(away)
        return ReturnScale(mean=self.mean + share * away, variance=mixed, weight=weight)


@struct.settings
class CriticSettings(DiscountSettings):
    """Settings of credit from a learned critic.

    Attributes:
      gae_lambda: lambda of the generalized advantage estimate, in [0, 1].
      value_coefficient: weight of the critic's squared error, in units of normalised return.
    """

    gae_lambda: jax.Array | Share = 0.95
    value_coefficient: jax.Array | NonNegative = 0.5


@struct.dataclass
class LifetimeCritic(CreditAssignment, CriticSettings):
    """Advantages from a learned critic over the whole lifetime; credit crosses the ends of episodes, but not of the lifetime.

    The critic (``Decision.value``) predicts *normalised* return-to-go, since an unscaled value loss would dominate the trunk that
    it shares with the policy. The scale is at least 0.01, and that of advantages 0.0001. Smaller variation is treated as noise,
    so normalise the rewards of tasks where returns vary by less.

    Attributes:
      scale_rate: rate at which the normalising moments are updated, in [0, 1]; 0 keeps them.
    """

    has_critic: ClassVar[bool] = True

    _: dataclasses.KW_ONLY
    scale_rate: jax.Array | Share = 0.02

    def init(self) -> PyTree:
        zero = jnp.zeros((), jnp.float32)
        return ReturnScale(mean=zero, variance=zero, weight=zero)

    def assign(self, statistics: PyTree, lifetimes: Lifetime) -> tuple[Credit, PyTree]:
        location, scale = statistics.location_and_scale()
        value = location + scale * lifetimes.segments.decision.value
        reward, goes_on, counts = self._account(lifetimes.segments)
        reward = jnp.where(counts > 0, reward, value)  # gives an advantage of 0; earlier steps bootstrap from the value

        def one_stream(reward: jax.Array, value: jax.Array, goes_on: jax.Array) -> jax.Array:
            following = jnp.append(value[1:], 0.0)
            discount_t = self.discount * goes_on
            return generalized_advantages(reward, value, following, discount_t, discount_t * self.gae_lambda)

        num_segments, length, *batch = reward.shape
        whole = (num_segments * length, *batch)
        over_tasks_and_streams = jax.vmap(jax.vmap(one_stream, 1, 1), 1, 1)
        advantage = over_tasks_and_streams(*(x.reshape(whole) for x in (reward, value, goes_on))).reshape(reward.shape)
        target = value + advantage

        mean, variance = _moments(target, counts)
        statistics = statistics.moved(mean, variance, self.scale_rate)
        location, scale = statistics.location_and_scale()
        normalised = (target - location) / scale
        return Credit(advantage=_normalise(advantage, counts), weight=counts, value_target=normalised), statistics

    def value_loss(self, value: jax.Array, target: jax.Array) -> jax.Array:
        return self.value_coefficient * 0.5 * jnp.square(value - target)

    def _account(self, segments: Segment) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Returns rewards, 1 where later rewards count towards a step, and 1 where a step counts, [K, T, N, B] each.

        The caller handles the lifetime's last step.
        """
        ones = jnp.ones_like(segments.reward)
        return segments.reward, ones, ones


@struct.dataclass
class SharedCritic(LifetimeCritic):
    """``LifetimeCritic`` for agents whose streams learn from one another: a step's reward is the mean over its task's streams.

    Exploration in one stream helps every stream after the next adaptation, so the stream's own later reward is only a part of
    its value. With one stream this is ``LifetimeCritic``.
    """

    def _account(self, segments: Segment) -> tuple[jax.Array, jax.Array, jax.Array]:
        reward, goes_on, counts = super()._account(segments)
        return jnp.broadcast_to(reward.mean(-1, keepdims=True), reward.shape), goes_on, counts


@struct.dataclass
class EpisodeCritic(LifetimeCritic):
    """``LifetimeCritic`` within each episode: no credit crosses the end of an episode, natural or at the time limit.

    For policies that carry nothing from one episode to the next. A segment starts with a new episode. If its end cuts off an
    episode, the critic's value of the last observation stands for the rest, and the last decision does not count.
    """

    def _account(self, segments: Segment) -> tuple[jax.Array, jax.Array, jax.Array]:
        done = segments.terminated | segments.truncated
        last = (jnp.arange(done.shape[1]) == done.shape[1] - 1)[None, :, None, None]
        as_number = lambda x: x.astype(segments.reward.dtype)  # noqa: E731
        return segments.reward, as_number(~(done | last)), as_number(done | ~last)


@struct.dataclass
class EpisodeBaseline(CreditAssignment, DiscountSettings):
    """Advantages over a linear feature baseline fitted to each segment of each task; credit stays inside the episode.

    There is no critic to train. See ``jmeta.objectives.advantages.episodic_advantages``.
    """

    def init(self) -> PyTree:
        return ()

    def assign(self, statistics: PyTree, lifetimes: Lifetime) -> tuple[Credit, PyTree]:
        def one_task(lifetime: Lifetime) -> tuple[jax.Array, jax.Array]:
            return jax.vmap(episodic_advantages, in_axes=(0, None))(lifetime.segments, self.discount)

        advantage, weight = jax.vmap(one_task, in_axes=(TASK_AXES,), out_axes=2)(lifetimes)
        return Credit(advantage=advantage, weight=weight, value_target=lifetimes.segments.decision.value), statistics

    def value_loss(self, value: jax.Array, target: jax.Array) -> jax.Array:
        return jnp.zeros_like(value)


@struct.dataclass
class Exploration(EpisodeBaseline):
    """``EpisodeBaseline``, and credit for *gathering* the data that the policy adapted to: E-MAML's second term.

    Decisions before an adaptation are also credited with the return after it. With R the mean return of an episode in the last
    segment, the gradient of its expectation has two parts,

        E[grad R(phi), the data held fixed]   +   E[R * sum_t grad log pi_theta(a_t | s_t)],

    the sum over all decisions of all streams before the last adaptation. The first is the derivative through inner steps on the
    ``naive`` surrogate. A surrogate with the outer products of scores, such as low-variance curvature, already gives credit for
    the data, and the second part would count it again.

    The loss takes the mean over a segment's T steps and B streams. With E episodes in the last segment, over all streams, this
    scales the first part by E / (T B). So decisions before the last segment get the advantage E (R - R'), with R' the
    mean of R over the *other* tasks of the batch. It is divided by the spread of the last segment's advantages in the task, as
    those are. The spread is at least half of its root mean square over tasks, since equal returns have almost no spread.

    It is unbiased if E is the same in all tasks. Its variance grows with the number of decisions that it credits.

    Attributes:
      coefficient: weight of the second part; 1 gives the gradient, 0 gives MAML.

    References:
      Stadie et al. 2018, arXiv 1803.01118 (E-MAML); Al-Shedivat et al. 2018, arXiv 1710.03641.
    """

    _: dataclasses.KW_ONLY
    coefficient: jax.Array | NonNegative = 1.0

    def assign(self, statistics: PyTree, lifetimes: Lifetime) -> tuple[Credit, PyTree]:
        credit, statistics = super().assign(statistics, lifetimes)
        num_segments, _, num_tasks, _ = credit.advantage.shape
        last = jax.tree.map(lambda x: x[-1], lifetimes.segments._replace(memory=()))
        returns, number, unit = jax.vmap(self._worth, in_axes=1)(last)
        total = num_tasks * num_task_devices()
        others = (returns - mean_over_devices(returns.mean())) * total / max(total - 1, 1)
        episodes = mean_over_devices(number.mean())
        unit = self.enlarged(unit)
        earned = self.coefficient * episodes * others / unit
        before = jnp.arange(num_segments)[:, None, None, None] < num_segments - 1
        return credit._replace(advantage=jnp.where(before, earned[:, None], credit.advantage)), statistics

    @staticmethod
    def enlarged(spread: jax.Array) -> jax.Array:
        """Returns spreads of advantages [N], each raised to at least half of their root mean square over all tasks."""
        typical = jnp.sqrt(mean_over_devices(jnp.square(spread).mean()))
        return jnp.maximum(spread, typical / 2.0)

    def _worth(self, segment: Segment) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Returns for a segment [T, B] the mean return of an episode, the number of episodes, and the scale of its advantages."""
        returns, advantage, weight = raw_advantages(segment, self.discount)
        begins = weight * segment.timestep.first
        number = begins.sum()
        return (begins * returns).sum() / jnp.maximum(number, 1.0), number, spread(advantage, weight)[1]


def _moments(x: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the weighted mean and variance over all devices."""
    total = mean_over_devices(weight.mean())
    mean = mean_over_devices((x * weight).mean()) / total
    return mean, mean_over_devices((jnp.square(x - mean) * weight).mean()) / total


def _normalise(advantage: jax.Array, weight: jax.Array) -> jax.Array:
    mean, variance = _moments(advantage, weight)
    return weight * (advantage - mean) / jnp.sqrt(variance + 1e-8)
