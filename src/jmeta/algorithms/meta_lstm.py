"""Meta-LSTM (Ravi and Larochelle 2017, ICLR)."""

from typing import Any

from jmeta.algorithms.maml import maml
from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.variants import variant_of, with_inner
from jmeta.inner.meta_lstm import LSTMRule
from jmeta.outer.base import OuterLearner
from jmeta.ranges import Count, OpenShare
from jmeta.tasks.base import TaskDistribution


@normalisable
@variant_of(maml, without=("inner_rates", "inner_optimizer"))
def meta_lstm(
    tasks: TaskDistribution, *, hidden_size: Count = 20, initial_rate: OpenShare = 0.5, first_order: bool = True, **settings: Any
) -> OuterLearner:
    """``maml`` whose inner steps are computed by a learned LSTM from each weight's gradient and the loss.

    Args:
      tasks: the distribution to meta-train on.
      hidden_size: hidden units of the LSTM, whose parameters all weights share.
      initial_rate: step size of the untrained LSTM, in (0, 1).
      first_order: whether to leave out second derivatives, as the paper does.
      settings: further settings, as for ``maml``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for a rate outside (0, 1), or no hidden unit.

    Example:
      >>> import jax, jmeta
      >>> tasks = jmeta.tasks.PointNavigation(horizon=10)
      >>> agent = jmeta.algorithms.meta_lstm(tasks, widths=(8,), num_streams=4, num_tasks=4)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Ravi and Larochelle 2017, "Optimization as a model for few-shot learning", ICLR; Andrychowicz et al. 2016, arXiv 1606.04474.
    """
    outer = maml(tasks, first_order=first_order, **settings)
    return with_inner(outer, rule=LSTMRule.create(hidden_size, initial_rate))
