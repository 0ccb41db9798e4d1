"""Running normalisation of observations and rewards for any inner learner.

``Normalised`` wraps an inner learner and normalises its inputs by given statistics. Outer learners train it like any other inner
learner. The statistics are a field of the learner and not a part of theta, so optimisers, perturbations and gradients do not
change them. ``WithStatistics`` is the deployed agent, whose theta includes the statistics.
"""

from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.inner.base import InnerLearner, Lived
from jmeta.inner.belief import BeliefAgent, Record
from jmeta.inner.off_policy import OffPolicyAgent, ReplayStep
from jmeta.inner.q_learner import QLearner
from jmeta.networks.beliefs import Belief
from jmeta.types import ActionSpace, Decision, Lifetime, Memory, Metrics, Phi, PyTree, Segment, Theta, Timestep

LARGEST = 10.0
"""Normalised observations and rewards are clipped to [-LARGEST, LARGEST], as in Stable-Baselines3's ``VecNormalize``."""
RETURN_DISCOUNT = 0.99
"""Discount per environment step of the returns that define the unit of rewards, as in ``VecNormalize``."""
MEASURED = ("observation", "observation_square", "return_square")


class Statistics(NamedTuple):
    """Moments of observations and returns in all lifetimes so far, on all devices together."""

    num_steps: jax.Array  # [] float, environment steps
    mean: jax.Array  # [observation_size]
    variance: jax.Array  # [observation_size]
    return_square: jax.Array  # [] mean square of the discounted return

    @classmethod
    def none(cls, observation_size: int) -> "Statistics":
        """Returns the statistics of no data, which leave observations and rewards unchanged up to clipping."""
        zero, one = jnp.zeros((), jnp.float32), jnp.ones(observation_size, jnp.float32)
        return cls(num_steps=zero, mean=jnp.zeros_like(one), variance=one, return_square=jnp.ones_like(zero))

    @classmethod
    def of(cls, lifetimes: Lifetime) -> "Statistics":
        """Returns the statistics of lifetimes [K, T, N, B]."""
        observation = lifetimes.segments.timestep.observation
        axes = tuple(range(observation.ndim - 1))
        returns = running_returns(lifetimes.segments)
        num_steps = jnp.full((), returns.size, jnp.float32)
        return cls(num_steps, observation.mean(axes), observation.var(axes), jnp.square(returns).mean())

    @property
    def scale(self) -> jax.Array:
        """The unit of observations [observation_size]: their standard deviation, or 1 for a constant feature.

        It is at least 1e-6 of the mean, above the resolution of float32, so that rounding errors are not amplified.
        """
        std = jnp.maximum(jnp.sqrt(self.variance), 1e-6 * jnp.abs(self.mean))
        return jnp.where(self.variance > 0, std, 1.0)

    @property
    def reward_scale(self) -> jax.Array:
        """The unit of rewards []: the root mean square of the discounted return, or 1 if all returns were zero."""
        return jnp.where(self.return_square > 0, jnp.sqrt(self.return_square), 1.0)

    def merge(self, measured: Metrics, num_steps: int) -> "Statistics":
        """Returns the statistics with ``num_steps`` more steps, whose moments ``Normalised.measure`` gives in these units.

        With w the new steps' share of all steps and d the difference of the means,

            mean + w d,        (1 - w) variance + w new variance + w (1 - w) d^2.

        References:
          Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances".
        """
        total = self.num_steps + num_steps
        share = num_steps / total
        shift = self.scale * measured["observation"]
        variance = self.scale**2 * jnp.maximum(measured["observation_square"] - measured["observation"] ** 2, 0.0)
        return Statistics(
            num_steps=total,
            mean=self.mean + share * shift,
            variance=(1.0 - share) * self.variance + share * variance + share * (1.0 - share) * shift**2,
            return_square=(1.0 - share) * self.return_square + share * measured["return_square"],
        )


class NormalisedTheta(NamedTuple):
    """Meta-parameters of an agent that is deployed with its statistics."""

    parameters: Theta  # meta-parameters of the agent
    statistics: Statistics


def running_returns(segments: Segment) -> jax.Array:
    """Returns discounted sums of an episode's rewards *so far*, for segments [K, T, ...] that each begin with an episode."""

    def step(earned: jax.Array, now: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        reward, first = now
        earned = reward + RETURN_DISCOUNT * jnp.where(first, 0.0, earned)
        return earned, earned

    along = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), (segments.reward, segments.timestep.first))
    _, returns = jax.lax.scan(step, jnp.zeros_like(along[0][0]), along)
    return jnp.swapaxes(returns, 0, 1)


class _Around(InnerLearner):
    """A wrapper of an inner learner with the same observation and action spaces."""

    inner: Any  # an InnerLearner

    @property
    def observation_size(self) -> int:  # type: ignore[override]
        return self.inner.observation_size

    @property
    def action_space(self) -> ActionSpace:  # type: ignore[override]
        return self.inner.action_space

    @property
    def unwrapped(self) -> InnerLearner:
        return self.inner.unwrapped


@struct.dataclass
class Normalised(_Around):
    """Normalises the observations and rewards of an inner learner. Theta, phi and memory are those of the inner learner.

        observation: clip((o - mean) / standard deviation, -10, 10), feature by feature
        reward:      clip(r / root mean square of the discounted return, -10, 10)

    Recorded data is not normalised: losses, adaptation and replay normalise it when they use it. Previous rewards in the agent's
    input and rewards that it learns from are scaled alike.

    Attributes:
      inner: the wrapped inner learner.
      statistics: statistics that define the units.
      observations: whether observations are normalised.
      rewards: whether rewards are normalised.

    Deviations:
      ``VecNormalize`` divides rewards by the standard deviation of the return, which is zero where rewards do not vary.
    """

    inner: Any
    statistics: Statistics
    observations: bool = struct.field(pytree_node=False)
    rewards: bool = struct.field(pytree_node=False)

    def init(self, key: jax.Array) -> Theta:
        return self.inner.init(key)

    def begin(self, theta: Theta, num_streams: int, key: jax.Array) -> tuple[Phi, Memory]:
        return self.inner.begin(theta, num_streams, key)

    def act(self, theta: Theta, phi: Phi, memory: Memory, timestep: Timestep) -> tuple[Decision, Memory]:
        return self.inner.act(theta, phi, memory, self.see(timestep))

    def unroll(self, theta: Theta, phi: Phi, memory: Memory, timesteps: Timestep) -> tuple[Decision, Memory]:
        return self.inner.unroll(theta, phi, memory, self.see(timesteps))

    def adapt(self, theta: Theta, phi: Phi, memory: Memory, segment: Segment, key: jax.Array) -> tuple[Phi, Memory]:
        return self.inner.adapt(theta, phi, memory, self.see(segment), key)

    def see(self, lived: Lived) -> Lived:
        """Returns a timestep, segment, lifetime, row of replay or record, with any axes, in the units of the statistics."""
        changed: dict[str, Any] = {}
        for name in lived._fields:
            value = getattr(lived, name)
            if name in ("timestep", "segments"):
                changed[name] = self.see(value)
            elif isinstance(value, tuple):  # empty, as ``arrival`` is in replay
                continue
            elif self.observations and name in ("observation", "next_observation", "arrival"):
                changed[name] = _clipped((value - self.statistics.mean) / self.statistics.scale, value)
            elif self.rewards and name in ("reward", "previous_reward", "worth"):
                changed[name] = _clipped(value / self.statistics.reward_scale, value)
        return lived._replace(**changed)

    def measure(self, lifetimes: Lifetime) -> Metrics:
        """Returns moments of normalised, unclipped observations, [observation_size], and the mean square of returns, [].

        In normalised units rounding errors are small. All are means, which outer learners average over devices and members.
        """
        observation = (lifetimes.segments.timestep.observation - self.statistics.mean) / self.statistics.scale
        axes = tuple(range(observation.ndim - 1))
        square = jnp.square(running_returns(lifetimes.segments)).mean() if self.rewards else self.statistics.return_square
        return dict(zip(MEASURED, (observation.mean(axes), jnp.square(observation).mean(axes), square), strict=True))


@struct.dataclass
class NormalisedBelief(Normalised):
    """``Normalised`` around an agent with a belief."""

    def beliefs(self, theta: Theta, timesteps: Timestep) -> Belief:
        return self.inner.beliefs(theta, self.see(timesteps))

    def belief_loss(self, theta: Theta, record: Record, key: jax.Array) -> tuple[jax.Array, Metrics]:
        return self.inner.belief_loss(theta, self.see(record), key)


@struct.dataclass
class NormalisedOffPolicy(Normalised, OffPolicyAgent):
    """``Normalised`` around an off-policy agent, whose replay keeps data that is not normalised."""

    @property
    def q_learner(self) -> QLearner:  # type: ignore[override]
        return self.inner.q_learner

    @property
    def sequence_length(self) -> int:  # type: ignore[override]
        return self.inner.sequence_length

    @property
    def num_shipped(self) -> int:  # type: ignore[override]
        return self.inner.num_shipped

    @property
    def takes_shaped(self) -> bool:  # type: ignore[override]
        return self.inner.takes_shaped

    @property
    def least_segments(self) -> int:  # type: ignore[override]
        return self.inner.least_segments

    def target_parameters(self, theta: Theta) -> PyTree:
        return self.inner.target_parameters(theta)

    def loss(
        self, theta: Theta, target_parameters: PyTree, context: Segment, batch: ReplayStep, key: jax.Array
    ) -> tuple[jax.Array, Metrics]:
        return self.inner.loss(theta, target_parameters, self.see(context), self.see(batch), key)

    def ship(self, theta: Theta, rows: ReplayStep, is_lived: jax.Array) -> Theta:
        return self.inner.ship(theta, self.see(rows), is_lived)

    def parts(self, theta: Theta) -> PyTree:
        return self.inner.parts(theta)

    def behaviour_policy(self, remaining: jax.Array | float) -> Self:
        return self.replace(inner=self.inner.behaviour_policy(remaining))  # type: ignore[attr-defined]


@struct.dataclass
class WithStatistics(_Around):
    """The deployed agent: its theta is a ``NormalisedTheta`` with constant statistics.

    Attributes:
      inner: the wrapped inner learner.
      observations: whether observations are normalised.
      rewards: whether rewards are normalised.
    """

    inner: Any
    observations: bool = struct.field(pytree_node=False)
    rewards: bool = struct.field(pytree_node=False)

    def under(self, statistics: Statistics) -> Normalised:
        """Returns the agent with the given statistics; its theta is that of ``inner``."""
        kind = Normalised
        if isinstance(self.inner, OffPolicyAgent):
            kind = NormalisedOffPolicy
        elif isinstance(self.inner, BeliefAgent):
            kind = NormalisedBelief
        return kind(self.inner, jax.lax.stop_gradient(statistics), self.observations, self.rewards)

    def init(self, key: jax.Array) -> Theta:
        """Returns initial meta-parameters with the statistics of no data."""
        return NormalisedTheta(self.inner.init(key), Statistics.none(self.observation_size))

    def begin(self, theta: Theta, num_streams: int, key: jax.Array) -> tuple[Phi, Memory]:
        return self.inner.begin(theta.parameters, num_streams, key)

    def act(self, theta: Theta, phi: Phi, memory: Memory, timestep: Timestep) -> tuple[Decision, Memory]:
        return self.under(theta.statistics).act(theta.parameters, phi, memory, timestep)

    def unroll(self, theta: Theta, phi: Phi, memory: Memory, timesteps: Timestep) -> tuple[Decision, Memory]:
        return self.under(theta.statistics).unroll(theta.parameters, phi, memory, timesteps)

    def adapt(self, theta: Theta, phi: Phi, memory: Memory, segment: Segment, key: jax.Array) -> tuple[Phi, Memory]:
        return self.under(theta.statistics).adapt(theta.parameters, phi, memory, segment, key)


def _clipped(value: jax.Array, like: jax.Array) -> jax.Array:
    return jnp.clip(value, -LARGEST, LARGEST).astype(like.dtype)
