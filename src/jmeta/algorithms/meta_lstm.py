"""Meta-LSTM (Ravi and Larochelle 2017, ICLR)."""

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.maml import AdaptedSettings, MetaGradientSettings, adapting_learner
from jmeta.inner.gradient_agent import BaselineSettings, SurrogateSettings
from jmeta.inner.meta_lstm import LSTMRule
from jmeta.outer.ppo import PPO, PPOSettings
from jmeta.ranges import Count, OpenShare
from jmeta.tasks.base import TaskDistribution


@struct.settings
class MetaLSTMSettings(AdaptedSettings, BaselineSettings, SurrogateSettings, MetaGradientSettings, PPOSettings):
    """Settings of ``meta_lstm``.

    Attributes:
      hidden_size: hidden units of the LSTM, whose parameters all weights share.
      initial_rate: step size of the untrained LSTM, in (0, 1).
      first_order: whether to leave out second derivatives, as the paper does.
    """

    hidden_size: Count = 20
    initial_rate: OpenShare = 0.5
    first_order: bool = True


@algorithm(MetaLSTMSettings)
def meta_lstm(tasks: TaskDistribution, settings: MetaLSTMSettings) -> PPO:
    """``maml`` whose inner steps are computed by a learned LSTM from each weight's gradient and the loss.

    Raises:
      ValueError: for a rate outside (0, 1), or no hidden unit.

    Example:
      >>> import jmeta
      >>> agent = jmeta.algorithms.meta_lstm(jmeta.tasks.PointNavigation(), hidden_size=10)

    References:
      Ravi and Larochelle 2017, "Optimization as a model for few-shot learning", ICLR; Andrychowicz et al. 2016, arXiv 1606.04474.
    """
    return adapting_learner(tasks, settings, LSTMRule.create(settings.hidden_size, settings.initial_rate))
