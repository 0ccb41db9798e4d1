"""Running normalisation of observations and rewards for any inner learner.

``Normalised`` wraps an inner learner and normalises its inputs by given statistics. Outer learners train it like any other inner
learner. The statistics are a field of the learner and not a part of theta, so optimisers, perturbations and gradients do not
change them. ``WithStatistics`` is the deployed agent, whose theta includes the statistics.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.inner.base import InnerLearner, Seen
from jmeta.inner.statistics import Statistics, running_returns
from jmeta.types import (
    ActionSpace,
    Decision,
    Experience,
    Lifetime,
    Memory,
    Metrics,
    Phi,
    PyTree,
    Segment,
    Theta,
    Timestep,
)

MEASURED = ("observation", "observation_square", "return_square")


class NormalisedTheta(NamedTuple):
    """Meta-parameters of an agent that is deployed with its statistics."""

    parameters: PyTree  # meta-parameters of the agent
    statistics: Statistics


class _Around(InnerLearner[Theta, Phi, Memory]):
    """A wrapper of an inner learner with the same observation and action spaces."""

    inner: Any  # an InnerLearner

    @property
    def observation_size(self) -> int:  # type: ignore[override]
        return self.inner.observation_size

    @property
    def action_space(self) -> ActionSpace:  # type: ignore[override]
        return self.inner.action_space

    @property
    def unwrapped(self) -> Any:
        return self.inner.unwrapped

    def around(self, agent: InnerLearner[Theta, Phi, Memory]) -> InnerLearner[Theta, Phi, Memory]:
        return self.replace(inner=agent)  # type: ignore[attr-defined]


@struct.dataclass
class Normalised(_Around[Theta, Phi, Memory]):
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

    def see(self, lived: Seen) -> Seen:
        """Returns a timestep, lifetime or any record of experience, with any axes, in the units of the statistics."""
        whole: Any = lived
        is_record = isinstance(lived, Experience)  # a dataclass; timesteps and lifetimes are named tuples
        changed: dict[str, Any] = {}
        for name in [each.name for each in dataclasses.fields(whole)] if is_record else whole._fields:
            value = getattr(whole, name)
            if name in ("timestep", "segments"):
                changed[name] = self.see(value)
            elif isinstance(value, tuple):  # empty, as ``arrival`` is in replay
                continue
            elif self.observations and name in ("observation", "next_observation", "arrival"):
                changed[name] = self.statistics.normalise_observation(value)
            elif self.rewards and name in ("reward", "previous_reward", "worth"):
                changed[name] = self.statistics.normalise_reward(value)
        return dataclasses.replace(whole, **changed) if is_record else whole._replace(**changed)

    def measure(self, lifetimes: Lifetime) -> Metrics:
        """Returns moments of normalised, unclipped observations, [observation_size], and the mean square of returns, [].

        In normalised units rounding errors are small. All are means, which outer learners average over devices and members.
        """
        observation = (lifetimes.segments.timestep.observation - self.statistics.mean) / self.statistics.scale
        axes = tuple(range(observation.ndim - 1))
        square = jnp.square(running_returns(lifetimes.segments)).mean() if self.rewards else self.statistics.return_square
        return dict(zip(MEASURED, (observation.mean(axes), jnp.square(observation).mean(axes), square), strict=True))


@struct.dataclass
class WithStatistics(_Around[NormalisedTheta, Phi, Memory]):
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
        return Normalised(self.inner, jax.lax.stop_gradient(statistics), self.observations, self.rewards)

    def init(self, key: jax.Array) -> NormalisedTheta:
        """Returns initial meta-parameters with the statistics of no data."""
        return NormalisedTheta(self.inner.init(key), Statistics.none(self.observation_size))

    def begin(self, theta: NormalisedTheta, num_streams: int, key: jax.Array) -> tuple[Phi, Memory]:
        return self.inner.begin(theta.parameters, num_streams, key)

    def act(self, theta: NormalisedTheta, phi: Phi, memory: Memory, timestep: Timestep) -> tuple[Decision, Memory]:
        return self.under(theta.statistics).act(theta.parameters, phi, memory, timestep)

    def unroll(self, theta: NormalisedTheta, phi: Phi, memory: Memory, timesteps: Timestep) -> tuple[Decision, Memory]:
        return self.under(theta.statistics).unroll(theta.parameters, phi, memory, timesteps)

    def adapt(self, theta: NormalisedTheta, phi: Phi, memory: Memory, segment: Segment, key: jax.Array) -> tuple[Phi, Memory]:
        return self.under(theta.statistics).adapt(theta.parameters, phi, memory, segment, key)
