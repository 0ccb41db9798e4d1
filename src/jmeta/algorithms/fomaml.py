"""First-order MAML (Finn et al. 2017, arXiv 1703.03400)."""

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.maml import AdaptedSettings, adapting_learner
from jmeta.inner.gradient_agent import BaselineSettings
from jmeta.inner.update_rules import DescentSettings, GradientDescent
from jmeta.outer.ppo import PPO, PPOSettings
from jmeta.settings import StreamChunkSettings
from jmeta.tasks.base import TaskDistribution


@struct.settings
class FOMAMLSettings(AdaptedSettings, DescentSettings, BaselineSettings, StreamChunkSettings, PPOSettings):
    """Settings of ``fomaml``."""


@algorithm(FOMAMLSettings)
def fomaml(tasks: TaskDistribution, settings: FOMAMLSettings) -> PPO:
    """``maml`` without second derivatives: the gradient at the adapted weights is applied to the initial weights.

    Example:
      >>> import jmeta
      >>> jmeta.algorithms.fomaml(jmeta.tasks.PointNavigation()).inner.first_order
      True

    References:
      Finn et al. 2017, arXiv 1703.03400, section 5.2; Nichol et al. 2018, arXiv 1803.02999.
    """
    return adapting_learner(tasks, settings, GradientDescent.create(settings), first_order=True)
