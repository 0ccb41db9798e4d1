"""Tasks that are given to an evaluation, instead of drawn ones."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jmeta.tasks.base import TaskDistribution
from jmeta.types import Task


def as_batch(tasks: TaskDistribution, given: Task | Sequence[Task]) -> Task:
    """Returns the given tasks as one batch, leaves [N, ...] of the dtypes that ``tasks.sample`` has.

    Raises:
      ValueError: if they are not like those of the distribution, or last longer than its horizon.
    """
    like = jax.eval_shape(tasks.sample, jax.random.key(0))
    structure, family = str(jax.tree.structure(like)), type(tasks).__name__
    if isinstance(given, list) and not given:
        raise ValueError("given=[] has no tasks: give at least one, or leave given out to draw some")
    if str(jax.tree.structure(given)) != structure:
        if not isinstance(given, Sequence) or not given or any(str(jax.tree.structure(task)) != structure for task in given):
            raise ValueError(
                f"the given tasks are not like those of {family}: give what its sample returns, a list of it or a batch"
            )
        given = jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *given)
    for leaf, own in zip(jax.tree.leaves(given), jax.tree.leaves(like), strict=True):
        if jnp.shape(leaf) == own.shape:
            raise ValueError("a single task is given: give a list, [task], or a batch with a leading axis")
        if jnp.shape(leaf)[1:] != own.shape:
            raise ValueError(
                f"a given task has a leaf {list(jnp.shape(leaf)[1:])} where those of {family} have {list(own.shape)}: give "
                "a list of what its sample returns, or a batch with a leading axis"
            )
    batch = jax.tree.map(lambda leaf, own: jnp.asarray(leaf).astype(own.dtype), given, like)
    limit = jax.vmap(tasks.time_limit)(batch)
    if limit is not None and int(limit.max()) > tasks.horizon:
        raise ValueError(
            f"a given task has episodes of {int(limit.max())} steps, but the horizon of {family} is {tasks.horizon}, where they "
            "would be cut: give tasks with a smaller limit"
        )
    return batch
