"""Running statistics of observations and returns, which define the units of normalisation."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jmeta.types import Lifetime, Metrics, Segment

RETURN_DISCOUNT = 0.99
"""Discount per environment step of the returns that define the unit of rewards, as in ``VecNormalize``."""
LARGEST = 10.0
"""Normalised observations and rewards are clipped to [-LARGEST, LARGEST], as in Stable-Baselines3's ``VecNormalize``."""


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

    def normalise_observation(self, value: jax.Array) -> jax.Array:
        """Returns observations [..., observation_size] in these units, clipped."""
        return _clip((value - self.mean) / self.scale, value)

    def normalise_reward(self, value: jax.Array) -> jax.Array:
        """Returns rewards in these units, clipped."""
        return _clip(value / self.reward_scale, value)

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


def running_returns(segments: Segment) -> jax.Array:
    """Returns discounted sums of an episode's rewards *so far*, for segments [K, T, ...] that each begin with an episode."""

    def step(earned: jax.Array, now: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        reward, first = now
        earned = reward + RETURN_DISCOUNT * jnp.where(first, 0.0, earned)
        return earned, earned

    along = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), (segments.reward, segments.timestep.first))
    _, returns = jax.lax.scan(step, jnp.zeros_like(along[0][0]), along)
    return jnp.swapaxes(returns, 0, 1)


def _clip(value: jax.Array, like: jax.Array) -> jax.Array:
    return jnp.clip(value, -LARGEST, LARGEST).astype(like.dtype)
