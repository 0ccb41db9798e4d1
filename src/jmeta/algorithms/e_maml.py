"""E-MAML (Stadie et al. 2018, arXiv 1803.01118)."""

import dataclasses
from typing import Any

from jmeta.algorithms.maml import maml
from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.variants import fields_for, variant_of
from jmeta.outer.base import OuterLearner
from jmeta.outer.credit import Exploration
from jmeta.ranges import NonNegative
from jmeta.tasks.base import TaskDistribution


@normalisable
@variant_of(maml, without=("baseline", "surrogate"))
def e_maml(tasks: TaskDistribution, *, exploration_coefficient: NonNegative = 1.0, **settings: Any) -> OuterLearner:
    """``maml`` that also rewards exploration: actions before adaptation are credited with the return after adaptation.

    The meta-gradient has two terms. The first differentiates the inner steps with their data held fixed, by the ``naive``
    surrogate. The second, the exploration term, credits the actions before adaptation with the return of the adapted policy.

    Args:
      tasks: the distribution to meta-train on.
      exploration_coefficient: weight of the exploration term; the gradient is unbiased at 1, biased but less noisy below 1.
      settings: further settings, as for ``maml``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: as ``maml``, and for a single task.

    Example:
      >>> import jax, jmeta
      >>> tasks = jmeta.tasks.PointNavigation(horizon=10)
      >>> agent = jmeta.algorithms.e_maml(tasks, widths=(8,), num_streams=4, num_tasks=4)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Stadie et al. 2018, arXiv 1803.01118.

    Deviations from the paper:
      The exploration term covers all actions before the last adaptation, with a baseline from the other tasks of the meta-batch.
      The paper's experiments use one inner step in the same way. Its code adds the likelihood of the exploratory episodes to a
      single objective with the trust region of ``maml_trpo``; the outer optimiser here is PPO with Adam.
    """
    outer = maml(tasks, surrogate="naive", **settings)
    if outer.num_tasks < 2:
        raise ValueError(f"num_tasks={outer.num_tasks}: the second term's baseline is the mean of the other tasks; use 2 or more")
    credit = Exploration(**fields_for(Exploration, outer.credit), coefficient=exploration_coefficient)
    return dataclasses.replace(outer, credit=credit, segment_weights=(1.0,) * len(outer.segment_weights))
