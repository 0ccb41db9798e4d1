"""Credit: which decisions of a lifetime deserve how much of its reward.

``LifetimeCritic`` asks a learned critic and lets credit flow across episodes to the end of the lifetime, so that
exploring in the first episode is paid for by the last: for learners that keep what they learn in memory.
``EpisodeBaseline`` fits a linear baseline to each task's data and keeps credit inside the episode: for learners that adapt
between segments, and ``Exploration`` adds what the data of an adaptation was worth. ``EpisodeCritic`` is the critic for learners
that do not adapt at all.
"""

import abc
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.inner.maml import episodic_advantages, raw_advantages, spread
from jmeta.objectives import generalized_advantages
from jmeta.parallel import mean_over_devices, num_task_devices
from jmeta.ranges import NonNegative, Share
from jmeta.types import TASK_AXES, Lifetime, PyTree, Segment


class Credit(NamedTuple):
    """[K, T, N, B] each."""

    advantage: jax.Array  # zero mean and, unless next to nothing, unit variance over all decisions that count
    weight: jax.Array  # 0 where a decision does not count
    value_target: jax.Array  # what Decision.value should have been, in the critic's units


class CreditAssignment(abc.ABC):
    """Advantages and value targets of an on-policy outer learner.

    Attributes:
      has_critic: whether there is a critic to train.
    """

    has_critic: ClassVar[bool] = False

    @abc.abstractmethod
    def init(self) -> PyTree:
        """Fresh statistics, carried from one outer step to the next."""

    @abc.abstractmethod
    def assign(self, statistics: PyTree, lifetimes: Lifetime) -> tuple[Credit, PyTree]:
        """Judges lifetimes [K, T, N, B] of this device; statistics stay equal on all devices."""

    @abc.abstractmethod
    def value_loss(self, value: jax.Array, target: jax.Array) -> jax.Array:
        """The critic's loss for one decision, already weighted against the policy's."""


class ReturnScale(NamedTuple):
    """Moving mean and variance of the lifetime return-to-go, and the weight of all that they were moved by.

    A variance is the mean of squared distances, never the difference of two large numbers.
    """

    mean: jax.Array
    variance: jax.Array
    weight: jax.Array  # [] in [0, 1], 0 before anything was seen

    def location_and_scale(self) -> tuple[jax.Array, jax.Array]:
        known = self.weight > 0
        scale = jnp.maximum(jnp.sqrt(jnp.maximum(self.variance, 1e-8)), 1e-2)
        return jnp.where(known, self.mean, 0.0), jnp.where(known, scale, 1.0)

    def moved(self, mean: jax.Array, variance: jax.Array, rate: jax.Array | float) -> "ReturnScale":
        """Moved by a batch with these moments; without a pull towards the initial ones."""
        weight = self.weight + rate * (1.0 - self.weight)
        share = rate / jnp.where(weight > 0, weight, 1.0)
        away = mean - self.mean
        # Of a mixture of two distributions, (1 - share) of the one and share of the other.
        mixed = (1.0 - share) * self.variance + share * variance + share * (1.0 - share) * jnp.square(away)
        return ReturnScale(mean=self.mean + share * away, variance=mixed, weight=weight)


@struct.dataclass
class LifetimeCritic(CreditAssignment):
    """Advantages by a learned critic over the whole lifetime; an episode's end stops nothing, the lifetime's end stops all.

    The critic (``Decision.value``) predicts *normalised* return-to-go: an unscaled value loss drowns the trunk it
    shares with the policy. The unit is at least 0.01, and that of advantages 0.0001: what varies by less is taken for noise, so
    tasks with such rewards want them normalised.

    Attributes:
      discount: in [0, 1], per environment step.
      gae_lambda: lambda of the generalized advantage estimate, in [0, 1].
      value_coefficient: weight of the critic's squared error.
      scale_rate: how fast the normalising moments follow, in (0, 1].
    """

    has_critic: ClassVar[bool] = True

    discount: jax.Array | Share = 0.99
    gae_lambda: jax.Array | Share = 0.95
    value_coefficient: jax.Array | NonNegative = 0.5
    scale_rate: jax.Array | Share = 0.02

    def init(self) -> PyTree:
        zero = jnp.zeros((), jnp.float32)
        return ReturnScale(mean=zero, variance=zero, weight=zero)

    def assign(self, statistics: PyTree, lifetimes: Lifetime) -> tuple[Credit, PyTree]:
        location, scale = statistics.location_and_scale()
        value = location + scale * lifetimes.segments.decision.value
        reward, goes_on, counts = self._account(lifetimes.segments)
        reward = jnp.where(counts > 0, reward, value)  # an advantage of 0, and what was earned until there is worth the value

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

        The lifetime's last step is seen to.
        """
        ones = jnp.ones_like(segments.reward)
        return segments.reward, ones, ones


@struct.dataclass
class SharedCritic(LifetimeCritic):
    """The same for agents whose streams learn from one another: a step earns the mean reward of all streams of its task.

    What a stream explores serves every stream after the next adaptation, so its own later reward is but a part of what that was
    worth. With one stream this is ``LifetimeCritic``.
    """

    def _account(self, segments: Segment) -> tuple[jax.Array, jax.Array, jax.Array]:
        reward, goes_on, counts = super()._account(segments)
        return jnp.broadcast_to(reward.mean(-1, keepdims=True), reward.shape), goes_on, counts


@struct.dataclass
class EpisodeCritic(LifetimeCritic):
    """The same inside each episode: its end, natural or at the time limit, stops all credit.

    For policies that carry nothing from one episode to the next. A segment opens with a new episode. Where it cuts off an episode
    under way, the critic's value of the last observation stands for the rest of it, and the last decision does not count.
    """

    def _account(self, segments: Segment) -> tuple[jax.Array, jax.Array, jax.Array]:
        done = segments.terminated | segments.truncated
        last = (jnp.arange(done.shape[1]) == done.shape[1] - 1)[:, None, None]
        as_number = lambda x: x.astype(segments.reward.dtype)  # noqa: E731
        return segments.reward, as_number(~(done | last)), as_number(done | ~last)


@struct.dataclass
class EpisodeBaseline(CreditAssignment):
    """Advantages over a linear feature baseline fitted to each segment of each task; credit stays inside the episode.

    There is no critic to train. See ``jmeta.inner.maml.episodic_advantages``.

    Attributes:
      discount: in [0, 1], per environment step.
    """

    discount: jax.Array | Share = 0.99

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
    """``EpisodeBaseline``, and credit for *having gathered* the data that the policy adapted to: E-MAML's second term.

    What is lived before an adaptation also earns what the adaptation makes of it. With R the mean return of an episode in the
    last segment, the gradient of its expectation has two parts,

        E[grad R(phi), the data held fixed]   +   E[R * sum_t grad log pi_theta(a_t | s_t)],

    the sum over all decisions of all streams before the last adaptation. The first is the derivative through inner steps on the
    ``naive`` surrogate; with one that is right twice, such as low-variance curvature, other data is counted already and the
    second part would count it again.

    Replay weighs a segment's decisions by their mean over T steps and B streams, and the last segment's E episodes (all streams
    together) make its part E / (T B) times the first part. So decisions before the last segment get E R as their advantage, R
    less its mean over the *other* tasks of the batch, divided as the last segment's advantages are by their spread in the task.
    A spread below half of the root mean square over tasks counts as that: where all did alike there is none to divide by.

    It is unbiased where E is the same in all tasks, and its variance grows with the number of decisions it credits.

    Attributes:
      coefficient: of the second part; 1 is the gradient, 0 is MAML.

    References:
      Stadie et al. 2018, arXiv 1803.01118 (E-MAML); Al-Shedivat et al. 2018, arXiv 1710.03641.
    """

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
        """Spreads of advantages [N], each at least half of their root mean square over all tasks."""
        typical = jnp.sqrt(mean_over_devices(jnp.square(spread).mean()))
        return jnp.maximum(spread, typical / 2.0)

    def _worth(self, segment: Segment) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Returns for a segment [T, B] the mean return of an episode, the number of episodes, and the scale of its advantages."""
        returns, advantage, weight = raw_advantages(segment, self.discount)
        begins = weight * segment.timestep.first
        number = begins.sum()
        return (begins * returns).sum() / jnp.maximum(number, 1.0), number, spread(advantage, weight)[1]


def _moments(x: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Weighted mean and variance over all devices."""
    total = mean_over_devices(weight.mean())
    mean = mean_over_devices((x * weight).mean()) / total
    return mean, mean_over_devices((jnp.square(x - mean) * weight).mean()) / total


def _normalise(advantage: jax.Array, weight: jax.Array) -> jax.Array:
    mean, variance = _moments(advantage, weight)
    return weight * (advantage - mean) / jnp.sqrt(variance + 1e-8)
