"""RL² with a small network, by covariance matrix adaptation (Hansen 2016, arXiv 1604.00772)."""

from typing import Any, Literal

from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.rl2_es import rl2_es
from jmeta.algorithms.variants import fields_for, variant_of
from jmeta.outer.ask_tell import AskTell
from jmeta.outer.base import OuterLearner
from jmeta.outer.checks import check_choice
from jmeta.ranges import Count
from jmeta.tasks.base import TaskDistribution


@normalisable
@variant_of(rl2_es, without=("learning_rate", "weight_decay", "anneal_steps"))
def rl2_cma_es(
    tasks: TaskDistribution, *, hidden_size: Count = 8, covariance: Literal["full", "diagonal"] = "full", **settings: Any
) -> OuterLearner:
    """``rl2_es`` with CMA-ES: perturbations are drawn from a Gaussian whose mean and covariance adapt to the best members.

    Args:
      tasks: the distribution to meta-train on.
      hidden_size: hidden units of the core; memory of a full covariance grows with the square of the number of weights.
      covariance: ``full`` adapts the covariance of all weights; ``diagonal`` adapts only the variances (sep-CMA-ES), for larger
        networks.
      settings: further settings, as for ``rl2_es``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for an odd population, or a lifetime that is not a whole number of episodes.

    Example:
      >>> import jax, jmeta
      >>> tasks = jmeta.tasks.BernoulliBandit(num_arms=2)
      >>> agent = jmeta.algorithms.rl2_cma_es(tasks, hidden_size=2, num_tasks=4, population_size=8)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Hansen 2016, arXiv 1604.00772; diagonal: Ros and Hansen 2008; both by evosax, Lange 2022, arXiv 2212.04180.

    Deviations from the paper:
      The population is drawn with the symmetric root of the covariance, which is computed by matrix products; see
      ``jmeta.outer.matrix_cma``. The distribution is the same.
    """
    from evosax.algorithms import Sep_CMA_ES

    from jmeta.outer.matrix_cma import MatrixCMA

    strategies = {"full": MatrixCMA, "diagonal": Sep_CMA_ES}
    check_choice("covariance", covariance, strategies)
    evolved = rl2_es(tasks, hidden_size=hidden_size, **settings)
    return AskTell(**fields_for(AskTell, evolved), strategy=strategies[covariance])
