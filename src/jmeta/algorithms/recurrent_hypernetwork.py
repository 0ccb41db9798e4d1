"""Recurrent hypernetworks (Beck et al. 2023, arXiv 2309.14970)."""

from typing import Any

from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.rl2 import rl2
from jmeta.algorithms.variants import variant_of
from jmeta.outer.base import OuterLearner
from jmeta.ranges import Count
from jmeta.tasks.base import TaskDistribution


@normalisable
@variant_of(rl2, without=("hypernetwork",))
def recurrent_hypernetwork(tasks: TaskDistribution, *, head_widths: tuple[Count, ...] = (32,), **settings: Any) -> OuterLearner:
    """``rl2`` whose hidden state generates the weights of the policy at every step.

    The policy and its critic see the observation alone; the task enters through their weights. Before training, the generated
    weights do not depend on the hidden state and follow an ordinary initialisation (bias-hyperinit; see
    ``jmeta.networks.Hypernetwork``).

    Args:
      tasks: the distribution to meta-train on.
      head_widths: sizes of the hidden layers of the generated policy, and likewise of the critic.
      settings: further settings, as for ``rl2``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Example:
      >>> import jax, jmeta
      >>> tasks = jmeta.tasks.BernoulliBandit(num_arms=2)
      >>> agent = jmeta.algorithms.recurrent_hypernetwork(tasks, hidden_size=8, head_widths=(4,), num_tasks=16)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Beck et al. 2023, arXiv 2309.14970. Bias-hyperinit: Beck et al. 2022, arXiv 2210.11348.

    Deviations from the paper:
      PPO on whole lifetimes; the critic's weights are generated as well as the policy's.
    """
    return rl2(tasks, hypernetwork=True, head_widths=head_widths, **settings)
