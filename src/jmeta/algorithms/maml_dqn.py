"""MAML with DQN and replay (Finn et al. 2017, arXiv 1703.03400; Mnih et al. 2015, Nature 518)."""

from typing import Any

from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.off_policy import check_layers, off_policy_learner
from jmeta.algorithms.variants import variant_of
from jmeta.inner.dqn import DQN
from jmeta.inner.maml_dqn import MAMLDQN
from jmeta.outer.base import OuterLearner
from jmeta.ranges import Count, Limit, Positive, PositiveShare, Share
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Discrete


@normalisable
@variant_of(off_policy_learner, without=("inner",))
def maml_dqn(
    tasks: TaskDistribution,
    *,
    widths: tuple[Count, ...] = (64, 64),
    discount: Share = 0.99,
    reward_scale: Positive = 1.0,
    num_updates: Count = 3,
    adapt_batch_size: Count = 64,
    adapt_capacity: Count = 1000,
    inner_rate: Positive = 0.05,
    max_inner_norm: Limit = 1.0,
    first_order: bool = False,
    exploration_epsilon: Share = 0.3,
    epsilon: PositiveShare = 0.05,
    last_epsilon: PositiveShare = 0.1,
    explore_steps: Count | None = 50,
    num_segments: Count = 2,
    learning_rate: Positive = 1e-3,
    **settings: Any,
) -> OuterLearner:
    """Learns initial action values that adapt to a task by a few temporal-difference steps on its replay buffer.

    Meta-training differentiates through those inner steps. They use the first segments of the task's newest lifetime, and the
    outer loss is the temporal-difference loss of the adapted values on a batch of the task's replay buffer. In a new task the
    agent acts epsilon-greedily and adapts on the data of that task alone. See ``jmeta.inner.maml_dqn``.

    Args:
      tasks: the distribution to meta-train on; actions must be discrete.
      widths: sizes of the hidden layers of the Q-network.
      discount: discount factor per environment step, in [0, 1].
      reward_scale: factor on the rewards that values are learned from; the Huber loss works best with values of a few units.
      num_updates: inner steps at each adaptation.
      adapt_batch_size: environment steps of the task's replay in each inner step.
      adapt_capacity: capacity of the adaptation's replay buffer, in environment steps of the task.
      inner_rate: learning rate of the inner steps.
      max_inner_norm: inner gradients are clipped to this global norm.
      first_order: whether to leave out second derivatives.
      exploration_epsilon: lower bound on the probability of a random action in the first segment of a task, before the agent has
        adapted.
      epsilon: probability of a random action in the deployed policy, in (0, 1].
      last_epsilon: final probability of a random action in training; the initial probability is 1.
      explore_steps: outer steps over which the probability of a random action falls from 1; if None, it stays at 1.
      num_segments: segments of a lifetime, at least 2, since the agent adapts between segments.
      learning_rate: learning rate of Adam.
      settings: further settings, as for ``jmeta.algorithms.off_policy.off_policy_learner``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for tasks with continuous actions, a lifetime of one segment, a segment that is not a whole number of episodes,
        numbers that do not divide num_tasks, too small a replay buffer, or a network that cannot be built.

    Example:
      >>> import jax, jmeta
      >>> agent = jmeta.algorithms.maml_dqn(jmeta.tasks.GridNavi(), widths=(8,), num_tasks=2, num_passes=2)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Finn et al. 2017, arXiv 1703.03400. Mnih et al. 2015, Nature 518.

    Deviations from the paper:
      The paper adapts policies by policy gradients; here action values adapt by temporal differences on replay. See
      ``jmeta.inner.maml_dqn``.
    """
    check_layers(widths)
    if not isinstance(tasks.action_space, Discrete):
        raise ValueError(f"{type(tasks).__name__} takes {tasks.action_space}: DQN needs a few actions; use pearl or mql")
    sizes = (tasks.observation_size, tasks.action_space)
    learner = DQN.create(*sizes, widths, discount=discount, reward_scale=reward_scale, epsilon=epsilon, last_epsilon=last_epsilon)
    agent = MAMLDQN(
        *sizes,
        learner,
        num_updates=num_updates,
        adapt_batch_size=adapt_batch_size,
        capacity=adapt_capacity,
        inner_rate=inner_rate,
        max_inner_norm=max_inner_norm,
        exploration_epsilon=exploration_epsilon,
        first_order=first_order,
    )
    settings |= {"explore_steps": explore_steps, "num_segments": num_segments, "learning_rate": learning_rate}
    return off_policy_learner(tasks, agent, **settings)
