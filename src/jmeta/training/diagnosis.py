"""Finds why a training became non-finite: the first non-finite value in theta, observations and rewards."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.lifetime import live_in_new_task
from jmeta.outer.base import OuterLearner
from jmeta.types import Theta

NUM_TASKS = 256  # tasks to roll out in when looking for a cause


def first_cause(outer: OuterLearner, theta: Theta, key: jax.Array) -> str | None:
    """Returns a description of the non-finite input of learning, or None if none is found.

    Rolls out lifetimes in newly drawn tasks, under the meta-parameters of the last finite steps, and checks the observations and
    rewards of the environment.

    Args:
      outer: the learner.
      theta: its meta-parameters before the outer step that failed, or a few steps earlier.
      key: seeds the tasks and the rollouts.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(theta):
        if jnp.issubdtype(leaf.dtype, jnp.inexact) and not bool(jnp.isfinite(leaf).all()):
            return f"theta ({jax.tree_util.keystr(path, simple=True, separator='.')}) was already not finite before that step"

    def look(key: jax.Array) -> Any:
        task, (segments, _) = live_in_new_task(outer.inner, outer.tasks, theta, key, protocol=outer.protocol)

        def bad_by_step(values: Any) -> jax.Array:  # [K, T, B, ...] -> [K, T]
            bad = [~jnp.isfinite(x) for x in jax.tree.leaves(values) if jnp.issubdtype(x.dtype, jnp.inexact)]
            flat = [x.reshape(*x.shape[:2], -1).any(-1) for x in bad]
            return jnp.stack(flat).any(0) if flat else jnp.zeros(segments.reward.shape[:2], bool)

        observed = bad_by_step((segments.timestep.observation, segments.next_observation))
        return task, observed.reshape(-1), bad_by_step(segments.reward).reshape(-1)

    keys = jax.random.split(key, NUM_TASKS)
    tasks, observed, rewarded = jax.device_get(jax.jit(lambda keys: jax.lax.map(look, keys, batch_size=16))(keys))
    for index in range(len(keys)):
        found = np.flatnonzero(observed[index] | rewarded[index])
        if len(found):
            step = int(found[0])
            what = "observation" if observed[index, step] else "reward"
            values = {
                jax.tree_util.keystr(path, simple=True, separator="."): np.asarray(leaf)[index].tolist()
                for path, leaf in jax.tree_util.tree_leaves_with_path(tasks)
            }
            number = int((observed | rewarded).any(-1).sum())
            return (
                f"the environment's {what} is not finite: at step {step + 1} of a lifetime in the task {str(values)[:300]}, "
                f"and in {number} of {len(keys)} lifetimes that were looked at"
            )
    return None
