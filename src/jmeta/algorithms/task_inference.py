"""Task inference with task labels in training (Humplik et al. 2019, arXiv 1905.06424)."""

import jax

from jmeta.algorithms.base import algorithm
from jmeta.algorithms.belief import BeliefSettings, belief_learner
from jmeta.inner.task_inference import TaskInference
from jmeta.outer.belief_ppo import BeliefPPO
from jmeta.tasks.base import TaskDistribution
from jmeta.tasks.checks import check_described


@algorithm(BeliefSettings)
def task_inference(tasks: TaskDistribution, settings: BeliefSettings) -> BeliefPPO:
    """A recurrent belief about the task, trained with task labels, and a policy that observes the belief.

    The label is ``tasks.describe(task)``, which is used in training only: in a new task the agent has only its experience. See
    ``jmeta.inner.task_inference``. Its gap to ``oracle`` is the cost of inferring the task. The gap of ``varibad`` to it is the
    cost of learning without labels.

    Raises:
      ValueError: for a lifetime that is not a whole number of episodes, numbers that do not divide num_tasks, a network that
        cannot be built, or tasks that have no description.

    Example:
      >>> import jax, jmeta
      >>> tasks = jmeta.tasks.BernoulliBandit(num_arms=2)
      >>> agent = jmeta.algorithms.task_inference(tasks, hidden_size=8, num_tasks=16, belief_batch_size=8)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Humplik et al. 2019, arXiv 1905.06424.

    Deviations from the paper:
      PPO, and a Gaussian over the description for labels of every kind; see also ``jmeta.inner.task_inference``.
    """
    check_described(tasks)
    size = jax.eval_shape(lambda key: tasks.describe(tasks.sample(key)), jax.random.key(0)).shape[0]
    return belief_learner(tasks, settings, size, TaskInference)
