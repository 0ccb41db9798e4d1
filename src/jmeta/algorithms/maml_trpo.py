"""MAML with a trust region, as its authors trained it (Finn et al. 2017, arXiv 1703.03400)."""

from typing import Any

from jmeta.algorithms.maml import maml
from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.variants import fields_for, takes_tasks, variant_of
from jmeta.outer.base import OuterLearner
from jmeta.outer.trust_region import TrustRegion
from jmeta.ranges import Count, NonNegative, Positive
from jmeta.tasks.base import TaskDistribution


@normalisable
@variant_of(
    maml,
    without=(
        "baseline",
        "num_epochs",
        "learning_rate",
        "anneal_steps",
        "clip_epsilon",
        "entropy_coefficient",
        "max_gradient_norm",
    ),
)
@takes_tasks
def maml_trpo(
    tasks: TaskDistribution, *, max_kl: Positive = 0.01, damping: NonNegative = 1e-5, num_cg_steps: Count = 10, **settings: Any
) -> OuterLearner:
    """``maml`` whose outer steps are natural-gradient steps under a limit on the KL divergence of the adapted policies.

    Args:
      tasks: the distribution to meta-train on.
      max_kl: largest mean KL divergence between the adapted policies before and after an outer step, in nats.
      damping: constant added to the diagonal of the Hessian of the KL divergence.
      num_cg_steps: conjugate-gradient steps that solve for the natural gradient.
      settings: further settings, as for ``maml``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for a max_kl that is not positive.

    Example:
      >>> import jax, jmeta
      >>> tasks = jmeta.tasks.PointNavigation(horizon=10)
      >>> agent = jmeta.algorithms.maml_trpo(tasks, widths=(8,), num_streams=4, num_tasks=4)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Finn et al. 2017, arXiv 1703.03400; Schulman et al. 2015, arXiv 1502.05477.

    Deviations from the paper:
      The inner surrogate is low-variance curvature by default; the authors' is ``surrogate="naive"``.
    """
    outer = maml(tasks, **settings)
    return TrustRegion(**fields_for(TrustRegion, outer), max_kl=max_kl, damping=damping, num_cg_steps=num_cg_steps)
