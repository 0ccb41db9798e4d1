"""TD3 (Fujimoto et al. 2018, arXiv 1802.09477), one policy for all tasks."""

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.off_policy import ActorCriticSettings, OffPolicySettings, check_layers, off_policy_learner
from jmeta.inner.off_policy import Reactive
from jmeta.inner.td3 import TD3, NoiseSettings
from jmeta.outer.off_policy import OffPolicy
from jmeta.outer.replay import ShapedSettings
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Continuous


@struct.settings
class TD3Settings(NoiseSettings, ActorCriticSettings, OffPolicySettings, ShapedSettings):
    """Settings of ``td3``."""


@algorithm(TD3Settings)
def td3(tasks: TaskDistribution, settings: TD3Settings) -> OffPolicy:
    """A deterministic policy and twin critics trained from replay. It does not adapt.

    On one task it is single-task TD3; on a distribution of tasks it is multi-task TD3. Actions must be continuous.
    See ``jmeta.inner.td3``.

    Raises:
      ValueError: as ``sac``, and for tasks with discrete actions.

    Example:
      >>> import jmeta
      >>> agent = jmeta.algorithms.td3(jmeta.tasks.SparsePointNavigation(), exploration_noise=0.1)

    References:
      Fujimoto et al. 2018, arXiv 1802.09477.

    Deviations from the paper:
      The policy is updated at every update of the critics, not at every second one. Training begins without uniformly random
      actions unless ``random_steps`` is set; the paper's first 1,000 or 10,000 environment steps are random. The norms of
      gradients are clipped, at 10 by default.
    """
    check_layers(settings.widths)
    if not isinstance(tasks.action_space, Continuous):
        raise ValueError(f"{type(tasks).__name__} takes {tasks.action_space}: TD3 needs actions in a box; use dqn or sac")
    sizes = (tasks.observation_size, tasks.action_space)
    learner = TD3.create(*sizes, settings.widths, **fields_for(TD3, settings))
    return off_policy_learner(tasks, Reactive(*sizes, learner), settings)
