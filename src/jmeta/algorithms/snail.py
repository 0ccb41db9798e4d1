"""SNAIL (Mishra et al. 2018, arXiv 1707.03141)."""

from typing import Any

from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.rl2 import rl2
from jmeta.algorithms.variants import variant_of
from jmeta.outer.base import OuterLearner
from jmeta.ranges import Count
from jmeta.tasks.base import TaskDistribution


@normalisable
@variant_of(rl2, without=("core", "num_layers"))
def snail(tasks: TaskDistribution, *, hidden_size: Count = 32, **settings: Any) -> OuterLearner:
    """``rl2`` with temporal convolutions and causal attention over the whole lifetime in place of a recurrent core.

    Args:
      tasks: the distribution to meta-train on.
      hidden_size: size of the first layer, of keys and of values; each convolution has half as many filters.
      settings: further settings, as for ``rl2``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Example:
      >>> import jax, jmeta
      >>> agent = jmeta.algorithms.snail(jmeta.tasks.BernoulliBandit(num_arms=2), hidden_size=8, num_tasks=16)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Mishra et al. 2018, arXiv 1707.03141.

    Deviations from the paper:
      PPO in place of TRPO, with a critic that shares the network.
    """
    return rl2(tasks, core="snail", hidden_size=hidden_size, **settings)
