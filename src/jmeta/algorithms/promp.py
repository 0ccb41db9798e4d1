"""ProMP: proximal meta-policy search (Rothfuss et al. 2019, arXiv 1810.06784)."""

from typing import Any

from jmeta.algorithms.maml import maml
from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.variants import fields_for, variant_of
from jmeta.outer.base import OuterLearner
from jmeta.outer.promp import ProMP
from jmeta.ranges import Count, NonNegative, Positive
from jmeta.tasks.base import TaskDistribution


@normalisable
@variant_of(maml, without=("surrogate", "first_order"))
def promp(
    tasks: TaskDistribution,
    *,
    kl_coefficient: NonNegative = 5e-4,
    target_kl: Positive | None = None,
    num_epochs: Count = 5,
    clip_epsilon: Positive = 0.3,
    **settings: Any,
) -> OuterLearner:
    """``maml`` with the low-variance-curvature estimator, several clipped outer updates on the same data, and a KL penalty.

    Args:
      tasks: the distribution to meta-train on.
      kl_coefficient: weight of the KL penalty on the policies before adaptation, eta in the paper.
      target_kl: target of the KL divergence before adaptation, in nats. After an outer step the coefficient is doubled or halved
        towards it. If None, the coefficient is constant.
      num_epochs: gradient steps on the same data in an outer step.
      clip_epsilon: PPO's clip range after adaptation, the half-width of the interval around 1 to which likelihood ratios are
        clipped.
      settings: further settings, as for ``maml``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Example:
      >>> import jax, jmeta
      >>> tasks = jmeta.tasks.PointNavigation(horizon=10)
      >>> agent = jmeta.algorithms.promp(tasks, widths=(8,), num_streams=4, num_tasks=4)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    Raises:
      ValueError: for a target_kl that is not positive.

    References:
      Rothfuss et al. 2019, arXiv 1810.06784.

    Deviations from the paper:
      Minibatches of tasks are possible. The norm of the meta-gradient is clipped. All inner steps share one KL coefficient, where
      the authors' code has one for each; it is constant by default, as in the paper's experiments.
    """
    outer = maml(tasks, num_epochs=num_epochs, clip_epsilon=clip_epsilon, **settings)
    return ProMP(**fields_for(ProMP, outer), kl_coefficient=kl_coefficient, target_kl=target_kl)
