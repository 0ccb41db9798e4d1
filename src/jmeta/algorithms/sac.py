"""SAC (Haarnoja et al. 2018, arXiv 1812.05905), one policy for all tasks."""

from typing import Any

from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.off_policy import check_layers, off_policy_learner
from jmeta.algorithms.variants import variant_of
from jmeta.inner.off_policy import Reactive
from jmeta.inner.sac import SAC, DiscreteSAC
from jmeta.outer.base import OuterLearner
from jmeta.ranges import Count, Finite, Positive, Share
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Discrete


@normalisable
@variant_of(off_policy_learner, without=("inner", "explore_steps", "num_segments"))
def sac(
    tasks: TaskDistribution,
    *,
    widths: tuple[Count, ...] = (256, 256),
    discount: Share = 0.99,
    reward_scale: Positive = 1.0,
    initial_temperature: Positive = 1.0,
    target_entropy: Finite | None = None,
    **settings: Any,
) -> OuterLearner:
    """A stochastic policy that is paid for its entropy, and twin critics, from replay; nothing adapts.

    On one task it is the single-task algorithm; on a distribution, multi-task SAC: what pooling all tasks is worth without
    inferring any. See ``jmeta.inner.sac``. Where actions are few it is SAC's discrete form (Christodoulou 2019, arXiv
    1910.07207).

    Args:
      tasks: the distribution to train on.
      widths: hidden layers of the policy and of each critic.
      discount: discount factor per environment step, in [0, 1].
      reward_scale: rewards are multiplied by it before anything is learned from them.
      initial_temperature: initial weight of the entropy.
      target_entropy: target of the policy's entropy, in nats; by default minus the number of action dimensions, or for discrete
        actions 0.6 of the largest entropy.
      settings: as for ``jmeta.algorithms.off_policy.off_policy_learner``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for a segment that is no whole number of episodes, numbers that do not divide num_tasks, too little replay, or a
        network that can't be built.

    Example:
      >>> import jax, jmeta
      >>> agent = jmeta.algorithms.sac(jmeta.tasks.SparsePointNavigation(), widths=(8,), num_tasks=2, num_passes=2)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Haarnoja et al. 2018, arXiv 1812.05905.

    Deviations from the paper:
      Replay is of several tasks, and a batch has as much of each; what is shipped samples from a narrow policy and does not act
      by the mean; actions are not random at first unless ``random_steps`` says so. See ``jmeta.inner.sac``.
    """
    check_layers(widths)
    kind = DiscreteSAC if isinstance(tasks.action_space, Discrete) else SAC
    learner = kind.create(
        tasks.observation_size,
        tasks.action_space,
        widths,
        discount=discount,
        reward_scale=reward_scale,
        initial_temperature=initial_temperature,
        target_entropy=target_entropy,
    )
    return off_policy_learner(tasks, Reactive(tasks.observation_size, tasks.action_space, learner), **settings)
