"""ANIL: almost no inner loop (Raghu et al. 2020, arXiv 1909.09157)."""

from typing import Any

from jmeta.algorithms.maml import maml
from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.variants import variant_of, with_inner
from jmeta.outer.base import OuterLearner
from jmeta.tasks.base import TaskDistribution


@normalisable
@variant_of(maml, without=("baseline",))
def anil(tasks: TaskDistribution, *, adapted_parts: tuple[str, ...] = ("policy",), **settings: Any) -> OuterLearner:
    """``maml`` in which only the policy's last layer adapts; the layers below are shared by all tasks.

    Args:
      tasks: the distribution to meta-train on.
      adapted_parts: parts of the policy network that adapt: "torso", "policy" or both.
      settings: further settings, as for ``maml``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for an empty ``adapted_parts``, or an unknown part.

    Example:
      >>> import jax, jmeta
      >>> tasks = jmeta.tasks.PointNavigation(horizon=10)
      >>> agent = jmeta.algorithms.anil(tasks, widths=(8,), num_streams=4, num_tasks=4)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Raghu et al. 2020, arXiv 1909.09157.
    """
    if not adapted_parts or not set(adapted_parts) <= {"torso", "policy"}:
        raise ValueError(
            f'adapted_parts={adapted_parts}: the policy has the parts "torso" and "policy", and at least one of them must adapt'
        )
    outer = maml(tasks, **settings)
    return with_inner(outer, adapted_parts=adapted_parts)
