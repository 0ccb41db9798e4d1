"""MAML++ (Antoniou et al. 2019, arXiv 1810.09502)."""

from typing import Any

import jax.numpy as jnp

from jmeta.algorithms.maml import maml
from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.variants import fields_for, variant_of, with_inner
from jmeta.inner.update_rules import RatePerStep
from jmeta.outer.base import OuterLearner
from jmeta.outer.maml_plus_plus import MAMLPlusPlus
from jmeta.ranges import CountOrZero, NonNegative
from jmeta.tasks.base import TaskDistribution


@normalisable
@variant_of(maml, without=("inner_optimizer",))
def maml_plus_plus(
    tasks: TaskDistribution,
    *,
    inner_rates: tuple[NonNegative, ...] = (0.5, 0.25),
    multi_step_steps: CountOrZero = 100,
    first_order_steps: CountOrZero = 50,
    **settings: Any,
) -> OuterLearner:
    """``maml`` that learns an inner learning rate for every layer and inner step, with schedules that stabilise training.

    The objective moves from the returns after *every* inner step to the return after the last one. The first outer steps leave
    out second derivatives. The learning rate follows a cosine schedule.

    Args:
      tasks: the distribution to meta-train on.
      inner_rates: initial learning rates of the first, second, ... inner step; the last one is used for all later steps. Inner
        steps beyond those of training keep their initial rates.
      multi_step_steps: outer steps over which the weights of the returns after earlier inner steps fall linearly to zero; it has
        no effect with one inner step.
      first_order_steps: number of initial outer steps that leave out second derivatives.
      settings: further settings, as for ``maml``; ``anneal_steps`` is the length of the cosine schedule.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for no inner rate, or a negative number of steps.

    Example:
      >>> import jax, jmeta
      >>> tasks = jmeta.tasks.PointNavigation(horizon=10)
      >>> agent = jmeta.algorithms.maml_plus_plus(tasks, widths=(8,), num_streams=4, num_tasks=4)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Antoniou et al. 2019, arXiv 1810.09502.

    Deviations from the paper:
      The paper is about supervised tasks. Four of its six parts are here: losses after every step, annealing from first to
      second order, learned rates per layer and step, and the cosine schedule. The other two are statistics and biases of batch
      normalisation for each inner step; the policies here have no batch normalisation. The schedules are given in outer steps;
      the paper's are 15 and 50 of its 100 epochs.
    """
    if not inner_rates:
        raise ValueError("inner_rates is empty: give the rate of the first inner step, for example (0.5,)")
    outer = with_inner(maml(tasks, **settings), rule=RatePerStep(jnp.asarray(inner_rates, jnp.float32)))
    fields = fields_for(MAMLPlusPlus, outer) | {"segment_weights": (0.0, *(1.0 for _ in outer.segment_weights[1:]))}
    return MAMLPlusPlus(**fields, multi_step_steps=multi_step_steps, first_order_steps=first_order_steps)
