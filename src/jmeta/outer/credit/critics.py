"""Credit from a learned critic."""

import abc
import dataclasses
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.objectives import generalized_advantages
from jmeta.outer.credit.base import Credit, CreditAssignment
from jmeta.outer.credit.return_scale import ReturnScale, moments, normalise
from jmeta.ranges import NonNegative, Share
from jmeta.settings import DiscountSettings
from jmeta.types import Lifetime, PyTree, Segment


@struct.settings
class CriticSettings(DiscountSettings):
    """Settings of credit from a learned critic.

    Attributes:
      gae_lambda: lambda of the generalized advantage estimate, in [0, 1].
      value_coefficient: weight of the critic's squared error, in units of normalised return.
    """

    gae_lambda: jax.Array | Share = 0.95
    value_coefficient: jax.Array | NonNegative = 0.5


@struct.settings
class CreditSpanSettings(CriticSettings):
    """Settings of credit from a learned critic, over the lifetime or within each episode.

    Attributes:
      credit_span: which later rewards a decision is credited with. ``lifetime``: all of them, so that exploration pays.
        ``episode``: those of its own episode, for tasks that pay the same at every step until an episode fails, such as CartPole.
        There a lifetime of a fixed number of steps has the same return whatever the agent does.
    """

    credit_span: Literal["lifetime", "episode"] = struct.field(pytree_node=False, default="lifetime")


@struct.dataclass
class Critic(CreditAssignment, CriticSettings):
    """Base of credit from a learned critic; a subclass says which later rewards count towards a step.

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

        mean, variance = moments(target, counts)
        statistics = statistics.moved(mean, variance, self.scale_rate)
        location, scale = statistics.location_and_scale()
        normalised = (target - location) / scale
        return Credit(advantage=normalise(advantage, counts), weight=counts, value_target=normalised), statistics

    def value_loss(self, value: jax.Array, target: jax.Array) -> jax.Array:
        return self.value_coefficient * 0.5 * jnp.square(value - target)

    @abc.abstractmethod
    def _account(self, segments: Segment) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Returns rewards, 1 where later rewards count towards a step, and 1 where a step counts, [K, T, N, B] each.

        The caller handles the lifetime's last step.
        """


@struct.dataclass
class LifetimeCritic(Critic):
    """Advantages from a learned critic over the whole lifetime; credit crosses the ends of episodes, but not of the lifetime."""

    across_episodes: ClassVar[bool] = True

    def _account(self, segments: Segment) -> tuple[jax.Array, jax.Array, jax.Array]:
        ones = jnp.ones_like(segments.reward)
        return segments.reward, ones, ones


@struct.dataclass
class SharedCritic(Critic):
    """``LifetimeCritic`` for agents whose streams learn from one another: a step's reward is the mean over its task's streams.

    Exploration in one stream helps every stream after the next adaptation, so the stream's own later reward is only a part of
    its value. With one stream this is ``LifetimeCritic``.
    """

    across_episodes: ClassVar[bool] = True

    def _account(self, segments: Segment) -> tuple[jax.Array, jax.Array, jax.Array]:
        ones = jnp.ones_like(segments.reward)
        return jnp.broadcast_to(segments.reward.mean(-1, keepdims=True), ones.shape), ones, ones


@struct.dataclass
class EpisodeCritic(Critic):
    """``LifetimeCritic`` within each episode: no credit crosses the end of an episode, natural or at the time limit.

    For policies that carry nothing from one episode to the next. A segment starts with a new episode. If its end cuts off an
    episode, the critic's value of the last observation stands for the rest, and the last decision does not count.
    """

    def _account(self, segments: Segment) -> tuple[jax.Array, jax.Array, jax.Array]:
        done = segments.terminated | segments.truncated
        last = (jnp.arange(done.shape[1]) == done.shape[1] - 1)[None, :, None, None]
        as_number = lambda x: x.astype(segments.reward.dtype)  # noqa: E731
        return segments.reward, as_number(~(done | last)), as_number(done | ~last)


def critic(settings: CreditSpanSettings) -> Critic:
    """Returns the critic of a credit span."""
    kind = EpisodeCritic if settings.credit_span == "episode" else LifetimeCritic
    return kind(**struct.fields_for(CriticSettings, settings))
