"""Memory-augmented neural networks (Santoro et al. 2016, arXiv 1605.06065) as agents."""

from typing import Any

from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.rl2 import rl2
from jmeta.algorithms.variants import variant_of
from jmeta.outer.base import OuterLearner
from jmeta.ranges import Count
from jmeta.tasks.base import TaskDistribution


@normalisable
@variant_of(rl2, without=("core", "num_layers"))
def mann(tasks: TaskDistribution, *, context_length: Count | None = 32, **settings: Any) -> OuterLearner:
    """``rl2`` with an external memory, whose slots are read by content and written where they were least recently used.

    Args:
      tasks: the distribution to meta-train on.
      context_length: slots of the memory, at least 5; if None, one for each step of a lifetime.
      settings: further settings, as for ``rl2``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for too few slots, or a lifetime shorter than that.

    Example:
      >>> import jax, jmeta
      >>> agent = jmeta.algorithms.mann(jmeta.tasks.BernoulliBandit(num_arms=2), hidden_size=8, num_tasks=16)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Santoro et al. 2016, arXiv 1605.06065.

    Deviations from the paper:
      Reinforcement learning in place of supervised classification; ``jmeta.networks.MANN`` says what differs in the network.
    """
    return rl2(tasks, core="mann", context_length=context_length, **settings)
