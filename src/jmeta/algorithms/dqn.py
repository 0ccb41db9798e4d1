"""DQN (Mnih et al. 2015, Nature 518), one policy for all tasks."""

import jax

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.off_policy import OffPolicySettings, check_layers, check_one_choice, off_policy_learner
from jmeta.inner.dqn import DQN, EpsilonSettings
from jmeta.inner.off_policy import Reactive
from jmeta.outer.off_policy import ExploreSettings, OffPolicy
from jmeta.outer.replay import ShapedSettings
from jmeta.ranges import Count, Positive
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Discrete


@struct.settings
class QNetworkSettings(EpsilonSettings, ExploreSettings, OffPolicySettings):
    """Settings of algorithms that learn action values by DQN.

    Attributes:
      widths: sizes of the hidden layers of the Q-network.
      explore_steps: outer steps over which the probability of a random action falls from 1; if None, it stays at 1.
      last_epsilon: final probability of a random action in training; the initial probability is 1.
    """

    widths: tuple[Count, ...] = (64, 64)
    explore_steps: Count | None = 50
    learning_rate: jax.Array | Positive = 1e-3


@struct.settings
class DQNSettings(QNetworkSettings, ShapedSettings):
    """Settings of ``dqn``."""


@algorithm(DQNSettings)
def dqn(tasks: TaskDistribution, settings: DQNSettings) -> OffPolicy:
    """Epsilon-greedy double Q-learning from replay with the Huber loss. It does not adapt.

    On one task it is single-task DQN; on a distribution of tasks it is multi-task DQN. Actions must be discrete.
    See ``jmeta.inner.dqn``.

    Raises:
      ValueError: as ``sac``, and for tasks with continuous actions.

    Example:
      >>> import jax, jmeta
      >>> agent = jmeta.algorithms.dqn(jmeta.tasks.GridNavi(), widths=(8,), num_training_tasks=2, num_passes=2)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Mnih et al. 2015, Nature 518. van Hasselt et al. 2016, arXiv 1509.06461.

    Deviations from the paper:
      Double Q-learning; the target network is a moving average instead of a periodic copy; Adam.
    """
    check_layers(settings.widths)
    check_one_choice(tasks)
    if not isinstance(tasks.action_space, Discrete):
        raise ValueError(f"{type(tasks).__name__} takes {tasks.action_space}: DQN needs a few actions; use td3 or sac")
    sizes = (tasks.observation_size, tasks.action_space)
    learner = DQN.create(*sizes, settings.widths, **fields_for(DQN, settings))
    return off_policy_learner(tasks, Reactive(*sizes, learner), settings)
