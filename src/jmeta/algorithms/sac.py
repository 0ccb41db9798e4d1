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
    """Soft actor-critic: an entropy-regularised stochastic policy and twin critics trained from replay. It does not adapt.

    On one task it is single-task SAC. On a distribution of tasks it is multi-task SAC, a baseline that does not infer the task.
    See ``jmeta.inner.sac``. With discrete actions it is SAC's discrete form (Christodoulou 2019, arXiv 1910.07207).

    Args:
      tasks: the distribution to train on.
      widths: sizes of the hidden layers of the policy and of each critic.
      discount: discount factor per environment step, in [0, 1].
      reward_scale: factor on the rewards that the critics learn from.
      initial_temperature: initial temperature, the weight of the policy's entropy.
      target_entropy: target of the policy's entropy, in nats; by default minus the number of action dimensions, or for discrete
        actions 0.6 of the maximum entropy.
      settings: further settings, as for ``jmeta.algorithms.off_policy.off_policy_learner``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for a segment that is not a whole number of episodes, numbers that do not divide num_tasks, too small a
        replay buffer, or a network that cannot be built.

    Example:
      >>> import jax, jmeta
      >>> agent = jmeta.algorithms.sac(jmeta.tasks.SparsePointNavigation(), widths=(8,), num_tasks=2, num_passes=2)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Haarnoja et al. 2018, arXiv 1812.05905.

    Deviations from the paper:
      Each task has its own replay buffer, and a batch has equally many steps of each. The deployed policy samples from a narrow
      distribution instead of acting by the mean. Training begins without random actions unless ``random_steps`` is set. See
      ``jmeta.inner.sac``.
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
