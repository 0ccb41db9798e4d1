"""Lives with random actions, from which statistics are initialised and premises checked."""

import jax

from jmeta.lifetime import live_in_new_task
from jmeta.references.classical import Random
from jmeta.tasks.base import TaskDistribution
from jmeta.types import TASK_AXES, Lifetime, Protocol

NUM_SAMPLED = 64
"""Number of tasks that are lived in."""


def live_randomly(tasks: TaskDistribution, length: int, num_tasks: int, key: jax.Array) -> Lifetime:
    """Returns ``length`` steps of random actions in each of ``num_tasks`` tasks, [1, length, num_tasks, 1]."""
    agent = Random(tasks.observation_size, tasks.action_space)

    def live(key: jax.Array) -> Lifetime:
        return live_in_new_task(agent, tasks, (), key, protocol=Protocol(1, length, 1))[1]

    return jax.vmap(live, out_axes=TASK_AXES)(jax.random.split(key, num_tasks))
