"""iMAML: implicit gradients (Rajeswaran et al. 2019, arXiv 1909.04630)."""

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.maml import AdaptedSettings, adapting_learner
from jmeta.inner.gradient_agent import BaselineSettings
from jmeta.inner.imaml import IMAML, ProximalSettings
from jmeta.inner.update_rules import DescentSettings, GradientDescent
from jmeta.outer.on_policy import RematerialiseSettings
from jmeta.outer.ppo import PPO, PPOSettings
from jmeta.settings import FirstOrderSettings
from jmeta.tasks.base import TaskDistribution


@struct.settings
class IMAMLSettings(
    ProximalSettings,
    AdaptedSettings,
    DescentSettings,
    BaselineSettings,
    FirstOrderSettings,
    RematerialiseSettings,
    PPOSettings,
):
    """Settings of ``imaml``.

    Attributes:
      num_solver_steps: gradient steps that solve the inner problem on the same data, with the learning rates inner_rates.
    """


@algorithm(IMAMLSettings)
def imaml(tasks: TaskDistribution, settings: IMAMLSettings) -> PPO:
    """``maml`` whose inner step solves a proximal problem, with the implicit meta-gradient at its solution.

    Raises:
      ValueError: for a strength or half-width that is not positive, or fewer than 1 step of either kind.

    Example:
      >>> import jmeta
      >>> agent = jmeta.algorithms.imaml(jmeta.tasks.PointNavigation(), strength=2.0, num_solver_steps=10)

    References:
      Rajeswaran et al. 2019, arXiv 1909.04630.
    """
    return adapting_learner(tasks, settings, GradientDescent.create(settings), IMAML)
