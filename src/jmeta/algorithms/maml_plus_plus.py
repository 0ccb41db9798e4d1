"""Learned rates per layer and step (Antoniou et al. 2019, arXiv 1810.09502)."""

from typing import Any

import jax.numpy as jnp

from jmeta.algorithms.maml import maml
from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.variants import variant_of, with_inner
from jmeta.inner.update_rules import RatePerStep
from jmeta.outer.base import OuterLearner
from jmeta.ranges import NonNegative
from jmeta.tasks.base import TaskDistribution


@normalisable
@variant_of(maml, without=("inner_optimizer",))
def maml_plus_plus(
    tasks: TaskDistribution, *, inner_rates: tuple[NonNegative, ...] = (0.5, 0.25), **settings: Any
) -> OuterLearner:
    """``maml`` that learns an inner rate for every layer and inner step along with the initial weights.

    Args:
      tasks: the distribution to meta-train on.
      inner_rates: of the first, second, ... inner step at first; the last one serves all later steps. Steps beyond those of
        training keep the rates they began with.
      settings: as for ``maml``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Example:
      >>> import jax, jmeta
      >>> tasks = jmeta.tasks.PointNavigation(horizon=10)
      >>> agent = jmeta.algorithms.maml_plus_plus(tasks, widths=(8,), num_streams=4, num_tasks=4)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Antoniou et al. 2019, arXiv 1810.09502.

    Deviations from the paper:
      Of its six parts this is the one that carries over to reinforcement learning (learned rates per layer and step); its losses
      after every step are ``score``, its annealing of first into second order and its batch-normalisation statistics are left
      out.
    """
    if not inner_rates:
        raise ValueError("inner_rates is empty: give the rate of the first inner step, for example (0.5,)")
    outer = maml(tasks, **settings)
    return with_inner(outer, rule=RatePerStep(jnp.asarray(inner_rates, jnp.float32)))
