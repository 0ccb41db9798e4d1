"""The compiled program of an evaluation: a lifetime in each of a chunk of tasks, and what is reported of it."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jmeta.evaluation.measures import measure
from jmeta.lifetime import live_in_new_task
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
        done = segments.terminated | segments.truncated  # [K, T, B]
        return {
            **measure(segments.reward, done, segments.info, protocol, tasks.horizon),
            "undefined": _undefined(segments.decision).any((1, 2)),
            "task": jax.tree.map(jnp.asarray, task),
        }

    def share(agent: PyTree, chunk: PyTree) -> PyTree:
        return jax.vmap(partial(one_task, agent))(chunk)

    chunk = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, begin, size), (keys, batch))
    return over_tasks(share, output=BY_TASK)(agent, chunk)


def _undefined(decision: Decision) -> jax.Array:
    """Returns whether a number of a decision [K, T, B] is NaN; an environment may accept NaN as an action."""
    shape = decision.value.shape
    leaves = [jnp.isnan(leaf).reshape(*shape, -1).any(-1) for leaf in jax.tree.leaves(decision) if leaf.shape[:3] == shape]
    return jnp.stack(leaves).any(0)
