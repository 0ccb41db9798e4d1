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
    """A deterministic policy and twin critics, from replay; nothing adapts.

    On one task it is the single-task algorithm; on a distribution, multi-task TD3. See ``jmeta.inner.td3``.

    Args:
      tasks: the distribution to train on; actions lie in a box.
      widths: hidden layers of the policy and of each critic.
      discount: discount factor per environment step, in [0, 1].
      reward_scale: rewards are multiplied by it before values are learned from them.
      exploration_noise: standard deviation of what is added to actions in training, in units of half the action box.
      settings: as for ``jmeta.algorithms.off_policy.off_policy_learner``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for tasks of a few actions, a segment that is no whole number of episodes, numbers that do not divide
        num_tasks, too little replay, or a network that can't be built.

    Example:
      >>> import jax, jmeta
      >>> agent = jmeta.algorithms.td3(jmeta.tasks.SparsePointNavigation(), widths=(8,), num_tasks=2, num_passes=2)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Fujimoto et al. 2018, arXiv 1802.09477.

    Deviations from the paper:
      The policy moves at every update, and not at every second one. Actions are not uniformly random at first unless
      ``random_steps`` says so; the paper's are for its first 1,000 or 10,000 environment steps.
    """
    check_layers(widths)
    if not isinstance(tasks.action_space, Continuous):
        raise ValueError(f"{type(tasks).__name__} takes {tasks.action_space}: TD3 needs actions in a box; use dqn or sac")
    sizes = (tasks.observation_size, tasks.action_space)
    learner = TD3.create(*sizes, widths, discount=discount, reward_scale=reward_scale, exploration_noise=exploration_noise)
    return off_policy_learner(tasks, Reactive(*sizes, learner), **settings)
