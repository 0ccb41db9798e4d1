"""First-order MAML (Finn et al. 2017, arXiv 1703.03400)."""

from typing import Any

from jmeta.algorithms.maml import maml
from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.variants import variant_of
from jmeta.outer.base import OuterLearner
from jmeta.tasks.base import TaskDistribution


@normalisable
@variant_of(maml, without=("surrogate", "first_order", "mixed_mode", "stream_chunks", "rematerialise"))
def fomaml(tasks: TaskDistribution, **settings: Any) -> OuterLearner:
    """``maml`` without second derivatives: the gradient at the adapted weights is applied to the initial weights.

    Args:
      tasks: the distribution to meta-train on.
      settings: further settings, as for ``maml``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Example:
      >>> import jax, jmeta
      >>> tasks = jmeta.tasks.PointNavigation(horizon=10)
      >>> agent = jmeta.algorithms.fomaml(tasks, widths=(8,), num_streams=4, num_tasks=4)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Finn et al. 2017, arXiv 1703.03400, section 5.2; Nichol et al. 2018, arXiv 1803.02999.
    """
    return maml(tasks, first_order=True, **settings)
