"""DQN (Mnih et al. 2015, Nature 518), one policy for all tasks."""

from typing import Any

from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.off_policy import check_layers, off_policy_learner
from jmeta.algorithms.variants import variant_of
from jmeta.inner.dqn import DQN
from jmeta.inner.off_policy import Reactive
from jmeta.outer.base import OuterLearner
from jmeta.ranges import Count, Positive, PositiveShare, Share
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Discrete


@normalisable
@variant_of(off_policy_learner, without=("inner", "num_segments"))
def dqn(
    tasks: TaskDistribution,
    *,
    widths: tuple[Count, ...] = (64, 64),
    discount: Share = 0.99,
    reward_scale: Positive = 1.0,
    epsilon: PositiveShare = 0.01,
    last_epsilon: PositiveShare = 0.1,
    explore_steps: Count | None = 50,
    learning_rate: Positive = 1e-3,
    **settings: Any,
) -> OuterLearner:
    """Epsilon-greedy double Q-learning from replay with the Huber loss. It does not adapt.

    On one task it is single-task DQN; on a distribution of tasks it is multi-task DQN. See ``jmeta.inner.dqn``.

    Args:
      tasks: the distribution to train on; actions must be discrete.
      widths: sizes of the hidden layers of the Q-network.
      discount: discount factor per environment step, in [0, 1].
      reward_scale: factor on the rewards that values are learned from; the Huber loss works best with values of a few units.
      epsilon: probability of a random action in the deployed policy, in (0, 1].
      last_epsilon: final probability of a random action in training; the initial probability is 1.
      explore_steps: outer steps over which the probability of a random action falls from 1; if None, it stays at 1.
      learning_rate: learning rate of Adam.
      settings: further settings, as for ``jmeta.algorithms.off_policy.off_policy_learner``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for tasks with continuous actions, a segment that is not a whole number of episodes, numbers that do not divide
        num_tasks, too small a replay buffer, or a network that cannot be built.

    Example:
      >>> import jax, jmeta
      >>> agent = jmeta.algorithms.dqn(jmeta.tasks.GridNavi(), widths=(8,), num_tasks=2, num_passes=2)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Mnih et al. 2015, Nature 518. van Hasselt et al. 2016, arXiv 1509.06461.

    Deviations from the paper:
      Double Q-learning; the target network is a moving average instead of a periodic copy; Adam.
    """
    check_layers(widths)
    if not isinstance(tasks.action_space, Discrete):
        raise ValueError(f"{type(tasks).__name__} takes {tasks.action_space}: DQN needs a few actions; use td3 or sac")
    sizes = (tasks.observation_size, tasks.action_space)
    learner = DQN.create(*sizes, widths, discount=discount, reward_scale=reward_scale, epsilon=epsilon, last_epsilon=last_epsilon)
    agent = Reactive(*sizes, learner)
    return off_policy_learner(tasks, agent, explore_steps=explore_steps, learning_rate=learning_rate, **settings)
