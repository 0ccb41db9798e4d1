"""TD3 (Fujimoto et al. 2018, arXiv 1802.09477), one policy for all tasks."""

from typing import Any

from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.off_policy import check_layers, off_policy_learner
from jmeta.algorithms.variants import variant_of
from jmeta.inner.off_policy import Reactive
from jmeta.inner.td3 import TD3
from jmeta.outer.base import OuterLearner
from jmeta.ranges import Count, NonNegative, Positive, Share
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Continuous


@normalisable
@variant_of(off_policy_learner, without=("inner", "explore_steps", "num_segments"))
def td3(
    tasks: TaskDistribution,
    *,
    widths: tuple[Count, ...] = (256, 256),
    discount: Share = 0.99,
    reward_scale: Positive = 1.0,
    exploration_noise: NonNegative = 0.2,
    **settings: Any,
) -> OuterLearner:
    """A deterministic policy and twin critics trained from replay. It does not adapt.

    On one task it is single-task TD3; on a distribution of tasks it is multi-task TD3. See ``jmeta.inner.td3``.

    Args:
      tasks: the distribution to train on; actions must be continuous.
      widths: sizes of the hidden layers of the policy and of each critic.
      discount: discount factor per environment step, in [0, 1].
      reward_scale: factor on the rewards that values are learned from.
      exploration_noise: standard deviation of the noise added to actions in training, in units of half the action range.
      settings: further settings, as for ``jmeta.algorithms.off_policy.off_policy_learner``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for tasks with discrete actions, a segment that is not a whole number of episodes, numbers that do not divide
        num_tasks, too small a replay buffer, or a network that cannot be built.

    Example:
      >>> import jax, jmeta
      >>> agent = jmeta.algorithms.td3(jmeta.tasks.SparsePointNavigation(), widths=(8,), num_tasks=2, num_passes=2)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Fujimoto et al. 2018, arXiv 1802.09477.

    Deviations from the paper:
      The policy is updated at every update of the critics, not at every second one. Training begins without uniformly random
      actions unless ``random_steps`` is set; the paper's first 1,000 or 10,000 environment steps are random.
    """
    check_layers(widths)
    if not isinstance(tasks.action_space, Continuous):
        raise ValueError(f"{type(tasks).__name__} takes {tasks.action_space}: TD3 needs actions in a box; use dqn or sac")
    sizes = (tasks.observation_size, tasks.action_space)
    learner = TD3.create(*sizes, widths, discount=discount, reward_scale=reward_scale, exploration_noise=exploration_noise)
    return off_policy_learner(tasks, Reactive(*sizes, learner), **settings)
