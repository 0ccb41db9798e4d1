"""SAC (Haarnoja et al. 2018, arXiv 1812.05905), one policy for all tasks."""

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.off_policy import ActorCriticSettings, OffPolicySettings, check_layers, check_one_choice, off_policy_learner
from jmeta.inner.discrete_sac import DiscreteSAC
from jmeta.inner.off_policy import Reactive
from jmeta.inner.sac import SAC, TemperatureSettings
from jmeta.outer.off_policy import OffPolicy
from jmeta.outer.replay import ShapedSettings
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Discrete


@struct.settings
class SACSettings(TemperatureSettings, ActorCriticSettings, OffPolicySettings, ShapedSettings):
    """Settings of ``sac``."""


@algorithm(SACSettings)
def sac(tasks: TaskDistribution, settings: SACSettings) -> OffPolicy:
    """Soft actor-critic: an entropy-regularised stochastic policy and twin critics trained from replay. It does not adapt.

    On one task it is single-task SAC. On a distribution of tasks it is multi-task SAC, a baseline that does not infer the task.
    See ``jmeta.inner.sac``. With discrete actions it is SAC's discrete form (Christodoulou 2019, arXiv 1910.07207).

    Raises:
      ValueError: for a segment that is not a whole number of episodes, numbers that do not divide num_training_tasks, too small a
        replay buffer, or a network that cannot be built.

    Example:
      >>> import jmeta
      >>> agent = jmeta.algorithms.sac(jmeta.tasks.GymnaxTasks("Pendulum-v1"), num_training_tasks=1, target_entropy=-0.5)

    References:
      Haarnoja et al. 2018, arXiv 1812.05905.

    Deviations from the paper:
      Each task has its own replay buffer, and a batch has equally many steps of each. The deployed policy samples from a narrow
      distribution instead of acting by the mean. Training begins without random actions unless ``random_steps`` is set. The
      norms of gradients are clipped, at 10 by default. See ``jmeta.inner.sac``.
    """
    check_layers(settings.widths)
    check_one_choice(tasks)
    sizes = (tasks.observation_size, tasks.action_space)
    kind = DiscreteSAC if isinstance(tasks.action_space, Discrete) else SAC
    learner = kind.create(*sizes, settings.widths, **fields_for(SAC, settings))
    return off_policy_learner(tasks, Reactive(*sizes, learner), settings)
