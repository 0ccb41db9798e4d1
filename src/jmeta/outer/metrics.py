"""Metrics of lifetimes, the same for every outer learner."""

from functools import partial

import jax

from jmeta.objectives.returns import episode_return
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Lifetime, Metrics, Protocol


def lifetime_metrics(tasks: TaskDistribution, protocol: Protocol, lifetimes: Lifetime) -> Metrics:
    """Returns mean returns of the first and last episode (NaN if one did not end) and of the whole of lifetimes [K, T, N, B]."""
    segments = lifetimes.segments
    reward, done = segments.reward, segments.terminated | segments.truncated
    last = protocol.segment_length // tasks.horizon - 1

    def mean_return(segment: int, episode: int) -> jax.Array:
        each = jax.vmap(jax.vmap(partial(episode_return, number=episode), 1), 1)
        return each(reward[segment], done[segment]).mean()

    return {
        "return/before": mean_return(0, 0),
        "return/after": mean_return(-1, last),
        "return/lifetime": reward.sum((0, 1)).mean(),
    }
