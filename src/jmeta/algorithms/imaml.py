"""iMAML: implicit gradients (Rajeswaran et al. 2019, arXiv 1909.04630)."""

import dataclasses
from typing import Any

from jmeta.algorithms.maml import maml
from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.variants import fields_for, takes_tasks, variant_of
from jmeta.inner.imaml import IMAML
from jmeta.outer.base import OuterLearner
from jmeta.ranges import Count, Positive
from jmeta.tasks.base import TaskDistribution


@normalisable
@variant_of(
    maml,
    without=("surrogate", "mixed_mode", "stream_chunks"),
)
@takes_tasks
def imaml(
    tasks: TaskDistribution,
    *,
    strength: Positive = 1.0,
    inner_clip_epsilon: Positive = 1.0,
    num_solver_steps: Count = 5,
    num_cg_steps: Count = 5,
    **settings: Any,
) -> OuterLearner:
    """``maml`` whose inner step solves a proximal problem, with the implicit meta-gradient at its solution.

    Args:
      tasks: the distribution to meta-train on.
      strength: weight of the proximal term that pulls towards the initial weights, lambda in the paper.
      inner_clip_epsilon: half-width of the interval around 1 to which the inner problem clips likelihood ratios.
      num_solver_steps: gradient steps that solve the inner problem on the same data, with the learning rates ``inner_rates``.
      num_cg_steps: conjugate-gradient steps that solve for the implicit meta-gradient.
      settings: further settings, as for ``maml``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for a strength or half-width that is not positive, or fewer than 1 step of either kind.

    Example:
      >>> import jax, jmeta
      >>> tasks = jmeta.tasks.PointNavigation(horizon=10)
      >>> agent = jmeta.algorithms.imaml(tasks, widths=(8,), num_streams=4, num_tasks=4)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Rajeswaran et al. 2019, arXiv 1909.04630.
    """
    outer = maml(tasks, **settings)
    inner = IMAML(
        **fields_for(IMAML, outer.inner),
        strength=strength,
        clip_epsilon=inner_clip_epsilon,
        num_solver_steps=num_solver_steps,
        num_cg_steps=num_cg_steps,
    )
    return dataclasses.replace(outer, inner=inner)
