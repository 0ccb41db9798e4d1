"""The compiled program of an evaluation: a lifetime in each of a chunk of tasks, and what is reported of it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jmeta.lifetime import live_in_new_task
from jmeta.objectives import episode_begins, finished_later, returns_by_episode
from jmeta.parallel import BY_TASK, over_tasks
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Decision, Protocol, PyTree, RolloutOptions, Task


@partial(jax.jit, static_argnames=("size", "tasks", "protocol", "greedy"))
def live_chunk(
    agent: PyTree,
    keys: jax.Array,
    batch: Task | None,
    begin: jax.Array,
    *,
    size: int,
    tasks: TaskDistribution,
    protocol: Protocol,
    greedy: bool,
) -> dict[str, Any]:
    """Returns the results of ``size`` tasks, beginning with the one of index ``begin``."""
    per_segment = protocol.segment_length // tasks.horizon
    by_stream = _over_streams(partial(returns_by_episode, num_episodes=per_segment))

    def one_task(agent: PyTree, key_and_task: PyTree) -> PyTree:
        inner, theta = agent
        key, given = key_and_task
        task, (segments, _) = live_in_new_task(
            inner,
            tasks,
            theta,
            key,
            protocol=protocol,
            given=given,
            options=RolloutOptions(greedy * protocol.num_streams, keep_info=True),
        )
        reward, done = segments.reward, segments.terminated | segments.truncated  # [K, T, B]
        begins = _over_streams(partial(episode_begins, num_episodes=per_segment))(done).mean(-1)
        offset = jnp.arange(protocol.num_segments)[:, None] * protocol.segment_length

        def by_episode(info: jax.Array) -> jax.Array:
            total = by_stream(info.astype(jnp.float32), done)
            each = (total > 0).astype(jnp.float32) if info.dtype == bool else total
            return each.mean(-1).reshape(-1)

        return {
            "lifetime": reward.sum((0, 1)).mean(),
            "episode": by_stream(reward, done).mean(-1).reshape(-1),
            "segment": reward.sum(1).mean(-1),
            "trajectory": (reward * _over_streams(finished_later)(done)).sum((1, 2)) / done.sum((1, 2)),
            "begins": ((begins + offset) * protocol.num_streams).reshape(-1),
            "completed": done.sum(1).min(),
            "undefined": _undefined(segments.decision).any((1, 2)),
            "infos": jax.tree.map(by_episode, segments.info),
            "task": jax.tree.map(jnp.asarray, task),
        }

    def share(agent: PyTree, chunk: PyTree) -> PyTree:
        return jax.vmap(partial(one_task, agent))(chunk)

    chunk = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, begin, size), (keys, batch))
    return over_tasks(share, output=BY_TASK)(agent, chunk)


def _over_streams(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Maps a function of one stream [T] over [K, T, B]."""
    return jax.vmap(jax.vmap(function, 1, 1))


def _undefined(decision: Decision) -> jax.Array:
    """Returns whether a number of a decision [K, T, B] is NaN; an environment may accept NaN as an action."""
    shape = decision.value.shape
    leaves = [jnp.isnan(leaf).reshape(*shape, -1).any(-1) for leaf in jax.tree.leaves(decision) if leaf.shape[:3] == shape]
    return jnp.stack(leaves).any(0)
