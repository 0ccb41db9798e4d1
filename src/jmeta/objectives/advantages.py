"""Advantages over a linear baseline that is fitted to the data themselves, for learners without a critic."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jmeta.objectives.baselines import fit_linear_baseline, linear_features
from jmeta.objectives.returns import discounted_returns, finished_later, steps_since_first
from jmeta.types import Segment

Features = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
"""Features of a linear baseline, ``(observation [T, D], step [T], value [T]) -> [T, F]``."""


def raw_advantages(
    segment: Segment, discount: jax.Array | float, features: Features = linear_features
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns advantages over a linear baseline that is fitted to the segment itself, as in the code of MAML's authors.

    Episodes have a finite horizon: returns do not bootstrap, whether the episode terminated or was truncated by the time limit.
    The features of the baseline therefore include the time step. An episode that the end of the segment cuts off has no return,
    and its steps have weight 0.

    Args:
      segment: [T, B].
      discount: in [0, 1].
      features: features of the baseline.

    Returns:
      (returns to the end of the episode, advantages, weights), all [T, B].
    """
    done = segment.terminated | segment.truncated
    per_stream = jax.vmap(discounted_returns, in_axes=(1, 1, None), out_axes=1)
    returns = per_stream(segment.reward, done, discount)
    weight = jax.vmap(finished_later, in_axes=1, out_axes=1)(done).astype(returns.dtype)
    step = jax.vmap(steps_since_first, in_axes=1, out_axes=1)(segment.timestep.first)
    x = jax.vmap(features)(segment.timestep.observation, step, segment.decision.value)
    prediction = fit_linear_baseline(x.reshape(-1, x.shape[-1]), returns.reshape(-1), weight.reshape(-1))
    return returns, returns - prediction.reshape(returns.shape), weight


def episodic_advantages(
    segment: Segment, discount: jax.Array | float, features: Features = linear_features
) -> tuple[jax.Array, jax.Array]:
    """Returns ``raw_advantages``, standardised over the segment.

    Returns:
      (advantages, weights), both [T, B].
    """
    _, advantage, weight = raw_advantages(segment, discount, features)
    mean, std = spread(advantage, weight)
    return weight * (advantage - mean) / std, weight


def spread(advantage: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the weighted mean and standard deviation of advantages, [] each; the standard deviation is never zero."""
    total = jnp.maximum(weight.sum(), 1.0)
    mean = (advantage * weight).sum() / total
    variance = (jnp.square(advantage - mean) * weight).sum() / total
    return mean, jnp.sqrt(variance) + 1e-8
