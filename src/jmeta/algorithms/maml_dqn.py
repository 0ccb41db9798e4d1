"""MAML with DQN and replay (Finn et al. 2017, arXiv 1703.03400; Mnih et al. 2015, Nature 518)."""

import jax

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.dqn import QNetworkSettings
from jmeta.algorithms.off_policy import SegmentSettings, check_layers, check_one_choice, off_policy_learner, protocol_of
from jmeta.inner.dqn import DQN
from jmeta.inner.maml_dqn import MAMLDQN, InnerUpdateSettings
from jmeta.outer.off_policy import OffPolicy
from jmeta.outer.replay import ContextSettings
from jmeta.ranges import Count, PositiveShare
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Discrete


@struct.settings
class MAMLDQNSettings(InnerUpdateSettings, QNetworkSettings, SegmentSettings, ContextSettings):
    """Settings of ``maml_dqn``.

    Attributes:
      num_segments: segments of a lifetime, at least 2, since the agent adapts between segments.
    """

    epsilon: jax.Array | PositiveShare = 0.05
    num_segments: Count = 2


@algorithm(MAMLDQNSettings)
def maml_dqn(tasks: TaskDistribution, settings: MAMLDQNSettings) -> OffPolicy:
    """Learns initial action values that adapt to a task by a few temporal-difference steps on its replay buffer.

    Meta-training differentiates through those inner steps. They use the first segments of the task's newest lifetime, and the
    outer loss is the temporal-difference loss of the adapted values on a batch of the task's replay buffer. In a new task the
    agent acts epsilon-greedily and adapts on the data of that task alone. Actions must be discrete. See ``jmeta.inner.maml_dqn``.

    Raises:
      ValueError: as ``dqn``, and for a lifetime of one segment.

    Example:
      >>> import jax, jmeta
      >>> agent = jmeta.algorithms.maml_dqn(jmeta.tasks.GridNavi(), widths=(8,), num_training_tasks=2, num_passes=2)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Finn et al. 2017, arXiv 1703.03400. Mnih et al. 2015, Nature 518.

    Deviations from the paper:
      The paper adapts policies by policy gradients; here action values adapt by temporal differences on replay. See
      ``jmeta.inner.maml_dqn``.
    """
    check_layers(settings.widths)
    check_one_choice(tasks)
    if not isinstance(tasks.action_space, Discrete):
        raise ValueError(f"{type(tasks).__name__} takes {tasks.action_space}: DQN needs a few actions; use pearl or mql")
    sizes = (tasks.observation_size, tasks.action_space)
    learner = DQN.create(*sizes, settings.widths, **fields_for(DQN, settings))
    protocol = protocol_of(tasks, settings.num_segments, settings.segment_length, MAMLDQN.least_segments)
    agent = MAMLDQN(*sizes, learner, **fields_for(InnerUpdateSettings, settings))
    return off_policy_learner(tasks, agent, settings, protocol)
