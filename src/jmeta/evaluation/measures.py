"""Measures of a lifetime in an evaluation: returns by episode, by segment and in all."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jmeta.objectives import episode_begins, finished_later, returns_by_episode
from jmeta.types import Protocol


def measure(reward: jax.Array, done: jax.Array, infos: dict[str, jax.Array], protocol: Protocol, horizon: int) -> dict[str, Any]:
    """Returns the measures of a lifetime in one task.

    Args:
      reward: [K, T, B].
      done: [K, T, B] bool, where episodes end; every segment begins with an episode.
      infos: numbers [K, T, B] of the environment's info by name.
      protocol: K, T and B.
      horizon: the longest episode in environment steps.

    Returns:
      Sums of rewards of a lifetime [], of episodes [E] and segments [K], mean returns [K] of all episodes that end in a segment,
      the environment steps [E] before each episode, the least number of episodes that a stream completed in a segment, and sums
      of infos by episode.
    """
    per_segment = protocol.segment_length // horizon
    by_stream = over_streams(partial(returns_by_episode, num_episodes=per_segment))
    begins = over_streams(partial(episode_begins, num_episodes=per_segment))(done).mean(-1)
    offset = jnp.arange(protocol.num_segments)[:, None] * protocol.segment_length

    def by_episode(info: jax.Array) -> jax.Array:
        total = by_stream(info.astype(jnp.float32), done)
        each = (total > 0).astype(jnp.float32) if info.dtype == bool else total
        return each.mean(-1).reshape(-1)

    return {
        "lifetime": reward.sum((0, 1)).mean(),
        "episode": by_stream(reward, done).mean(-1).reshape(-1),
        "segment": reward.sum(1).mean(-1),
        "trajectory": (reward * over_streams(finished_later)(done)).sum((1, 2)) / done.sum((1, 2)),
        "begins": ((begins + offset) * protocol.num_streams).reshape(-1),
        "completed": done.sum(1).min(),
        "infos": jax.tree.map(by_episode, infos),
    }


def over_streams(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Maps a function of one stream [T] over [K, T, B]."""
    return jax.vmap(jax.vmap(function, 1, 1))
