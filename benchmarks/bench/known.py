"""Scores of an agent that knows the task, where they can be computed: the upper end of the scale of normalised scores."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.comparison.spec.schema import Spec
from jmeta.comparison.spec.tables import family
from jmeta.evaluation.evaluate import EVALUATION_FOLD
from jmeta.lifetime.keys import TaskKeys
from jmeta.tasks import TaskDistribution
from jmeta.tasks.bandit import Bandit
from jmeta.types import Task


def known_scores(spec: Spec) -> dict[str, dict[str, Any]]:
    """Returns {"value", "label"} for each task family in which the return of an episode with the task known can be computed."""
    found = {}
    for name, table in spec.tasks.items():
        tasks = family(table)
        each = known_score(tasks.held_out if tasks.has_held_out else tasks.train, spec.num_test_tasks, spec.seed)
        if each is not None:
            found[name] = each
    return found


def known_score(tasks: TaskDistribution, num_tasks: int, seed: int) -> dict[str, Any] | None:
    """Returns the best expected return of an episode for an agent that knows the task, or None.

    It is the mean over the tasks on which a comparison with this seed scores, or else the family's own mean over all tasks.
    """
    batch = drawn_tasks(tasks, num_tasks, seed)
    if isinstance(tasks, Bandit):
        returns = tasks.horizon * jax.vmap(tasks.mean_rewards)(batch).max(-1)
    else:
        returns = jax.jit(jax.vmap(lambda task: tasks.oracle_return(task, tasks.horizon)))(batch)
    if returns is not None:
        return {"value": float(np.asarray(returns, np.float64).mean()), "label": "exact on the test tasks"}
    reference = tasks.reference_return(tasks.horizon)
    if reference is None or reference.per != "episode":
        return None
    return {"value": float(reference.value), "label": "exact mean of all tasks"}


def drawn_tasks(tasks: TaskDistribution, num_tasks: int, seed: int) -> Task:
    """Returns the tasks [N, ...] on which a comparison with this seed scores."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), EVALUATION_FOLD), num_tasks)
    return jax.jit(jax.vmap(lambda key: jax.tree.map(jnp.asarray, tasks.sample(TaskKeys.of(key).task))))(keys)
