"""The oracle: one policy for all tasks, which is told the task. A rung of the baseline ladder."""

from typing import Any

from jmeta.algorithms.average import average
from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.variants import variant_of
from jmeta.outer.base import OuterLearner
from jmeta.tasks.base import TaskDistribution
from jmeta.tasks.told import ToldTasks


@normalisable
@variant_of(average)
def oracle(tasks: TaskDistribution, **settings: Any) -> OuterLearner:
    """``average`` with the task in the observation: what is to be had by one who need not find out.

    It is a multi-task policy, learned and so not exact; where the best return of an agent that knows the task can be computed,
    ``TaskDistribution.oracle_return`` does so.

    Args:
      tasks: the distribution to train on.
      settings: as for ``average``.

    Returns:
      The outer learner; its ``inner`` is the agent and its ``tasks`` tell the task.

    Example:
      >>> import jax, jmeta
      >>> agent = jmeta.algorithms.oracle(jmeta.tasks.BernoulliBandit(num_arms=2), widths=(8,), num_tasks=16)
      >>> agent.inner.observation_size  # nothing to observe, which is one constant, and two probabilities
      3
    """
    return average(ToldTasks(tasks), **settings)
