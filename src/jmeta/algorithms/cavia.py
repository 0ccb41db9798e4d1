"""CAVIA: fast context adaptation (Zintgraf et al. 2019, arXiv 1810.03642)."""

from functools import partial

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.maml import AdaptedSettings, MetaGradientSettings, adapting_learner
from jmeta.inner.gradient_agent import SurrogateSettings
from jmeta.inner.update_rules import DescentSettings, GradientDescent
from jmeta.networks.policies import ContextPolicy
from jmeta.outer.ppo import PPO, PPOSettings
from jmeta.ranges import Count, NonNegative
from jmeta.tasks.base import TaskDistribution


@struct.settings
class CAVIASettings(AdaptedSettings, DescentSettings, SurrogateSettings, MetaGradientSettings, PPOSettings):
    """Settings of ``cavia``.

    Attributes:
      context_size: dimensions of the context vector.
      inner_rates: learning rate of the first, second, ... inner step; the last one is used for all later steps. A context vector
        needs much larger rates than weights.
    """

    context_size: Count = 5
    inner_rates: tuple[NonNegative, ...] = (10.0,)


@algorithm(CAVIASettings)
def cavia(tasks: TaskDistribution, settings: CAVIASettings) -> PPO:
    """``maml`` in which only a context vector adapts, which is an input of the policy beside the observation.

    Raises:
      ValueError: for an empty context.

    Example:
      >>> import jmeta
      >>> agent = jmeta.algorithms.cavia(jmeta.tasks.PointNavigation(), context_size=2, inner_rates=(5.0,))
      >>> agent.inner.adapted_parts
      ('context',)

    References:
      Zintgraf et al. 2019, arXiv 1810.03642.

    Deviations from the paper:
      The context's initial value is learned, where the paper's is zero. The two are equivalent, since the first layer has a bias.
    """
    return adapting_learner(
        tasks,
        settings,
        GradientDescent.create(settings),
        build_policy=partial(ContextPolicy, context_size=settings.context_size),
        adapted_parts=("context",),
    )
