"""The oracle: one policy for all tasks, which observes the task. It is an upper baseline."""

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
    """``average`` with the task in the observation: an upper baseline that need not infer the task.

    It is a learned multi-task policy, so its return is not exactly optimal. ``TaskDistribution.oracle_return`` computes the best
    return of an agent that knows the task, for families that define it.

    Args:
      tasks: the distribution to train on.
      settings: further settings, as for ``average``.

    Returns:
      The outer learner; its ``inner`` is the agent and its ``tasks`` tell the task.

    Example:
      >>> import jax, jmeta
      >>> agent = jmeta.algorithms.oracle(jmeta.tasks.BernoulliBandit(num_arms=2), widths=(8,), num_tasks=16)
      >>> agent.inner.observation_size  # nothing to observe, which is one constant, and two probabilities
      3
    """
    return average(ToldTasks(tasks), **settings)
