"""Meta-SGD (Li et al. 2017, arXiv 1707.09835)."""

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.maml import AdaptedSettings, MetaGradientSettings, adapting_learner
from jmeta.inner.gradient_agent import BaselineSettings, SurrogateSettings
from jmeta.inner.update_rules import RatePerParameter
from jmeta.outer.ppo import PPO, PPOSettings
from jmeta.ranges import Positive
from jmeta.tasks.base import TaskDistribution


@struct.settings
class MetaSGDSettings(AdaptedSettings, BaselineSettings, SurrogateSettings, MetaGradientSettings, PPOSettings):
    """Settings of ``meta_sgd``.

    Attributes:
      initial_rate: initial inner learning rate of every weight.
    """

    initial_rate: Positive = 0.5


@algorithm(MetaSGDSettings)
def meta_sgd(tasks: TaskDistribution, settings: MetaSGDSettings) -> PPO:
    """``maml`` that learns an inner learning rate for every weight along with the initial weights.

    Example:
      >>> import jmeta
      >>> tasks = jmeta.tasks.PointNavigation(horizon=10)
      >>> agent = jmeta.algorithms.meta_sgd(tasks, initial_rate=0.2)

    References:
      Li et al. 2017, arXiv 1707.09835.

    Deviations from the paper:
      All rates have the same initial value, where the paper draws them at random.
    """
    return adapting_learner(tasks, settings, RatePerParameter(settings.initial_rate))
