"""Task inference with task labels in training (Humplik et al. 2019, arXiv 1905.06424)."""

from typing import Any

import jax

from jmeta.algorithms.belief import belief_learner
from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.variants import variant_of
from jmeta.inner.task_inference import TaskInference
from jmeta.outer.base import OuterLearner
from jmeta.tasks.base import TaskDistribution
from jmeta.tasks.checks import check_described


@normalisable
@variant_of(belief_learner, without=("belief_size", "make_inner"))
def task_inference(tasks: TaskDistribution, **settings: Any) -> OuterLearner:
    """A recurrent belief about the task, trained with task labels, and a policy that observes the belief.

    The label is ``tasks.describe(task)``, which is used in training only: in a new task the agent has only its experience. See
    ``jmeta.inner.task_inference``. Its gap to ``oracle`` is the cost of inferring the task. The gap of ``varibad`` to it is the
    cost of learning without labels.

    Args:
      tasks: the distribution to meta-train on.
      settings: further settings, as for ``jmeta.algorithms.belief.belief_learner``.

    Returns:
      The outer learner; its ``inner`` is the agent.

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
    return belief_learner(tasks, size, TaskInference, **settings)
