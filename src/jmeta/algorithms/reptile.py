"""Reptile (Nichol et al. 2018, arXiv 1803.02999)."""

from typing import Any

import optax

from jmeta.algorithms.maml import maml
from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.variants import fields_for, variant_of
from jmeta.outer.base import OuterLearner
from jmeta.outer.reptile import Reptile
from jmeta.ranges import Count, Positive
from jmeta.tasks.base import TaskDistribution


@normalisable
@variant_of(
    maml,
    without=(
        "baseline",
        "surrogate",
        "first_order",
        "mixed_mode",
        "stream_chunks",
        "rematerialise",
        "microbatch_size",
        "num_epochs",
        "clip_epsilon",
        "entropy_coefficient",
        "max_gradient_norm",
    ),
)
def reptile(
    tasks: TaskDistribution, *, learning_rate: Positive = 0.1, num_inner_steps: Count = 3, **settings: Any
) -> OuterLearner:
    """Takes policy-gradient steps in each task and moves the initial weights towards the adapted weights.

    Args:
      tasks: the distribution to meta-train on.
      learning_rate: step size of the initial weights towards the mean adapted weights, epsilon in the paper.
      num_inner_steps: gradient steps on each task, each on fresh data.
      settings: further settings, as for ``maml``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Example:
      >>> import jax, jmeta
      >>> tasks = jmeta.tasks.PointNavigation(horizon=10)
      >>> agent = jmeta.algorithms.reptile(tasks, widths=(8,), num_streams=4, num_tasks=4)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Nichol et al. 2018, arXiv 1803.02999.

    Deviations from the paper:
      The paper is about supervised tasks; the inner steps here are MAML's policy-gradient steps.
    """
    outer = maml(tasks, num_inner_steps=num_inner_steps, **settings)
    return Reptile(**fields_for(Reptile, outer) | {"optimizer": optax.sgd, "learning_rate": learning_rate})
