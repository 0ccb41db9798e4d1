"""The buffer of lifetimes from which a belief is learned; one half keeps the first of a run, the other half the newest."""

import jax
import jax.numpy as jnp

from jmeta.inner.belief import Record


def store(buffer: Record, records: Record, number: jax.Array) -> Record:
    """Returns the buffer [n, buffer_steps] with the records [n] of outer step ``number``."""
    buffer_steps = buffer.reward.shape[1]
    for_good = buffer_steps // 2
    slot = jnp.where(number < for_good, number, for_good + (number - for_good) % (buffer_steps - for_good))
    return jax.tree.map(lambda kept, new: kept.at[:, slot].set(new), buffer, records)


def draw(buffer: Record, num_kept: jax.Array, keys: jax.Array) -> tuple[Record, jax.Array]:
    """Draws a record [T, ...] from each group of tasks, keys [groups], and returns a further key for each.

    Args:
      buffer: records [n, buffer_steps, T, ...]; the n tasks are split into equal groups in order.
      num_kept: [] number of outer steps that the buffer holds.
      keys: [groups], consumed.
    """
    group_size = len(buffer.reward) // len(keys)

    def one(group: jax.Array, key: jax.Array) -> tuple[Record, jax.Array]:
        task_key, step_key, loss_key = jax.random.split(key, 3)
        task = group * group_size + jax.random.randint(task_key, (), 0, group_size)
        step = jax.random.randint(step_key, (), 0, num_kept)
        return jax.tree.map(lambda x: x[task, step], buffer), loss_key

    return jax.vmap(one)(jnp.arange(len(keys)), keys)
