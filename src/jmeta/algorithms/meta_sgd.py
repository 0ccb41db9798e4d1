"""Meta-SGD (Li et al. 2017, arXiv 1707.09835)."""

from typing import Any

from jmeta.algorithms.maml import maml
from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.variants import variant_of, with_inner
from jmeta.inner.update_rules import RatePerParameter
from jmeta.outer.base import OuterLearner
from jmeta.ranges import Positive
from jmeta.tasks.base import TaskDistribution


@normalisable
@variant_of(maml, without=("inner_rates", "inner_optimizer"))
def meta_sgd(tasks: TaskDistribution, *, initial_rate: Positive = 0.5, **settings: Any) -> OuterLearner:
    """``maml`` that learns an inner learning rate for every weight along with the initial weights.

    Args:
      tasks: the distribution to meta-train on.
      initial_rate: initial inner learning rate of every weight.
      settings: further settings, as for ``maml``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Example:
      >>> import jax, jmeta
      >>> tasks = jmeta.tasks.PointNavigation(horizon=10)
      >>> agent = jmeta.algorithms.meta_sgd(tasks, widths=(8,), num_streams=4, num_tasks=4)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Li et al. 2017, arXiv 1707.09835.

    Deviations from the paper:
      All rates have the same initial value, where the paper draws them at random.
    """
    outer = maml(tasks, **settings)
    return with_inner(outer, rule=RatePerParameter(initial_rate))
