"""CAVIA: fast context adaptation (Zintgraf et al. 2019, arXiv 1810.03642)."""

from typing import Any, Literal

from jmeta.algorithms.maml import maml
from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.variants import variant_of, with_inner
from jmeta.inner.cavia import context_policy
from jmeta.outer.base import OuterLearner
from jmeta.ranges import Count, NonNegative, Positive
from jmeta.tasks.base import TaskDistribution


@normalisable
@variant_of(maml, without=("baseline",))
def cavia(
    tasks: TaskDistribution,
    *,
    context_size: Count = 5,
    inner_rates: tuple[NonNegative, ...] = (10.0,),
    widths: tuple[Count, ...] = (100, 100),
    initial_std: Positive = 1.0,
    compute_dtype: Literal["float32", "bfloat16"] = "float32",
    **settings: Any,
) -> OuterLearner:
    """``maml`` in which only a context vector adapts, which is an input of the policy beside the observation.

    Args:
      tasks: the distribution to meta-train on.
      context_size: dimensions of the context vector.
      inner_rates: learning rate of the first, second, ... inner step; the last one is used for all later steps. A context
        vector needs much larger rates than weights.
      widths: sizes of the policy's hidden layers.
      initial_std: initial standard deviation of a continuous policy, in units of half the action range.
      compute_dtype: precision of the hidden layers; weights, gradients and the policy itself are float32 in any case.
      settings: further settings, as for ``maml``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for an empty context.

    Example:
      >>> import jax, jmeta
      >>> tasks = jmeta.tasks.PointNavigation(horizon=10)
      >>> agent = jmeta.algorithms.cavia(tasks, widths=(8,), num_streams=4, num_tasks=4)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Zintgraf et al. 2019, arXiv 1810.03642.

    Deviations from the paper:
      The context's initial value is learned, where the paper's is zero. The two are equivalent, since the first layer has a bias.
    """
    outer = maml(tasks, widths=widths, initial_std=initial_std, inner_rates=inner_rates, **settings)
    network = context_policy(
        tasks.observation_size,
        tasks.action_space,
        widths,
        context_size=context_size,
        initial_std=initial_std,
        dtype=compute_dtype,
    )
    return with_inner(outer, network=network, adapted_parts=("context",))
