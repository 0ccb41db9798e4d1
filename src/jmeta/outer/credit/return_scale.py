"""Moving moments of returns, in which a critic's values are normalised."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jmeta.parallel import mean_over_devices


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


def moments(x: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the weighted mean and variance over all devices."""
    total = mean_over_devices(weight.mean())
    mean = mean_over_devices((x * weight).mean()) / total
    return mean, mean_over_devices((jnp.square(x - mean) * weight).mean()) / total


def normalise(advantage: jax.Array, weight: jax.Array) -> jax.Array:
    """Returns advantages with a weighted mean of 0 and variance of 1 over all devices, times their weights."""
    mean, variance = moments(advantage, weight)
    return weight * (advantage - mean) / jnp.sqrt(variance + 1e-8)
