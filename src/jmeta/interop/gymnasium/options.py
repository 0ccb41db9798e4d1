"""The options of ``reset``, and tasks as Gymnasium's users give and get them: numbers, and dictionaries of NumPy arrays."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.evaluation.given_tasks import as_batch
from jmeta.tasks import TaskDistribution
from jmeta.tasks.splits import SPLITS
from jmeta.types import Task

NEW = "new"
MOST = 2**32  # task numbers are seeds of JAX


class Asked(NamedTuple):
    """The options of a reset, after they are checked."""

    drawn_from: TaskDistribution  # the tasks to draw from, on their split
    new: bool  # whether to draw a new task
    task: Any  # a task that is given, as a number, a dictionary or a pytree; None if there is none
    mask: np.ndarray | None  # [N] bool, the sub-environments to reset; None for all


def read_options(drawn_from: TaskDistribution, options: Any, num_envs: int | None = None) -> Asked:
    """Reads the options of ``reset``.

    Args:
      drawn_from: the tasks that were drawn from so far.
      options: a dictionary with ``task``, ``split`` and, in a vector environment, ``reset_mask``; or None.
      num_envs: number of sub-environments N; None outside of a vector environment.

    Raises:
      ValueError: for an option that does not exist or has a value of another kind, or a split that the family does not have.
    """
    if not isinstance(options or {}, Mapping):
        raise ValueError(f"options={options!r:.80} is a {type(options).__name__}: give a dictionary, such as {{'task': 'new'}}")
    options = dict(options or {})
    mask = options.pop("reset_mask", None) if num_envs is not None else None
    if mask is not None:
        mask = np.asarray(mask)
        if mask.shape != (num_envs,) or mask.dtype != bool or not mask.any():
            raise ValueError(f"options['reset_mask']={mask!s:.80}: give booleans [{num_envs}], at least one of them true")
    task, split = options.pop("task", None), options.pop("split", None)
    for name in options:
        known = "'task', 'split'" + (" and 'reset_mask'" if num_envs is not None else "")
        raise ValueError(f"options has {name!r}, which is no option of these environments: they have {known}")
    if isinstance(task, str) and task != NEW:
        raise ValueError(f"options['task']={task!r}: give 'new', the number of a task, or a task such as info['task']")
    if split is not None:
        drawn_from = on_split(drawn_from, split)
    given = None if isinstance(task, str) else task
    return Asked(drawn_from, given is None and (task is not None or split is not None), given, mask)


def on_split(tasks: TaskDistribution, split: Any) -> TaskDistribution:
    """Returns the tasks on a split; raises ValueError if there is none of this name."""
    if split not in SPLITS:
        raise ValueError(f"split={split!r} is not one of {', '.join(SPLITS)}")
    return tasks.on_split(split)


def as_task(drawn_from: TaskDistribution, given: Any) -> Task:
    """Returns one task: that of a number, ``drawn_from.sample(jax.random.key(number))``, or one that is given.

    Raises:
      ValueError: if it is nothing of the kind.
    """
    if isinstance(given, int | np.integer) and not isinstance(given, bool):
        if not 0 <= given < MOST:
            raise ValueError(f"task={given}: the number of a task is from 0 to {MOST - 1}")
        return _sample(drawn_from, jnp.asarray(given, jnp.uint32))
    return jax.tree.map(lambda leaf: leaf[0], as_batch(drawn_from, [_as_family_has_it(drawn_from, given)]))


def as_tasks(drawn_from: TaskDistribution, given: Any, num_envs: int) -> Task:
    """Returns ``num_envs`` tasks, leaves [N, ...], of one task for all, a list of them, or a batch such as ``infos["task"]``.

    Raises:
      ValueError: if it is nothing of the kind, or there is another number of tasks.
    """
    if isinstance(given, np.ndarray) and given.ndim == 1 and given.dtype.kind in "iu":
        given = given.tolist()
    if isinstance(given, list):
        if len(given) != num_envs:
            raise ValueError(f"task: {len(given)} tasks for {num_envs} environments; give one for each, or one for all")
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *(as_task(drawn_from, each) for each in given))
    if not isinstance(given, int | np.integer):
        given, like = _as_family_has_it(drawn_from, given), _shapes(drawn_from)
        pairs = zip(jax.tree.leaves(given), jax.tree.leaves(like), strict=False)
        if all(np.ndim(leaf) == len(own.shape) + 1 for leaf, own in pairs):
            batch = as_batch(drawn_from, given)
            if (found := len(jax.tree.leaves(batch)[0])) != num_envs:
                raise ValueError(f"task: {found} tasks for {num_envs} environments; give one for each, or one for all")
            return batch
    task = as_task(drawn_from, given)
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_envs, *leaf.shape)), task)


def as_dictionary(task: Task) -> dict[str, np.ndarray]:
    """Returns the leaves of a task, or of a batch of tasks, as NumPy arrays by their name."""
    return {_name(path): np.array(leaf) for path, leaf in jax.tree.leaves_with_path(task)}


def _as_family_has_it(tasks: TaskDistribution, given: Any) -> Any:
    """Returns a task that is given as a dictionary of names as the family has it; one of another kind as it is."""
    like = _shapes(tasks)
    if not isinstance(given, Mapping) or str(jax.tree.structure(given)) == str(jax.tree.structure(like)):
        return given
    names = [_name(path) for path, _ in jax.tree.leaves_with_path(like)]
    found = {name: leaf for name, leaf in given.items() if not (name.startswith("_") and name[1:] in given)}
    if set(found) != set(names):
        raise ValueError(
            f"task has {', '.join(map(str, found)) or 'no fields'}: a task of {type(tasks).__name__} has {', '.join(names)}"
        )
    return jax.tree.unflatten(jax.tree.structure(like), [np.asarray(found[name]) for name in names])


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/") or "value"


def _shapes(tasks: TaskDistribution) -> Any:
    return jax.eval_shape(tasks.sample, jax.random.key(0))


@partial(jax.jit, static_argnums=0)
def _sample(tasks: TaskDistribution, number: jax.Array) -> Task:
    return tasks.sample(jax.random.key(number))
