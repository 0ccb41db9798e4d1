"""The oracle: one policy for all tasks, which observes the task. It is an upper baseline."""

from jmeta.algorithms.average import AverageSettings, fixed_policy_learner
from jmeta.algorithms.base import algorithm
from jmeta.outer.ppo import PPO
from jmeta.tasks.base import TaskDistribution
from jmeta.tasks.told import ToldTasks


@algorithm(AverageSettings)
def oracle(tasks: TaskDistribution, settings: AverageSettings) -> PPO:
    """``average`` with the task in the observation: an upper baseline that need not infer the task.

    The learner's ``tasks`` tell the task: see ``jmeta.tasks.told.ToldTasks``.

    It is a learned multi-task policy, so its return is not exactly optimal. ``TaskDistribution.oracle_return`` computes the best
    return of an agent that knows the task, for families that define it.

    Example:
      >>> import jax, jmeta
      >>> agent = jmeta.algorithms.oracle(jmeta.tasks.BernoulliBandit(num_arms=2), widths=(8,), num_tasks=16)
      >>> agent.inner.observation_size  # nothing to observe, which is one constant, and two probabilities
      3
    """
    return fixed_policy_learner(ToldTasks(tasks), settings)
