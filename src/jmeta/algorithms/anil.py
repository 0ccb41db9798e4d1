"""ANIL: almost no inner loop (Raghu et al. 2020, arXiv 1909.09157)."""

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.maml import AdaptedSettings, MetaGradientSettings, adapting_learner
from jmeta.inner.gradient_agent import SurrogateSettings
from jmeta.inner.update_rules import DescentSettings, GradientDescent
from jmeta.outer.ppo import PPO, PPOSettings
from jmeta.tasks.base import TaskDistribution


@struct.settings
class ANILSettings(AdaptedSettings, DescentSettings, SurrogateSettings, MetaGradientSettings, PPOSettings):
    """Settings of ``anil``.

    Attributes:
      adapted_parts: parts of the policy network that adapt: "torso", "policy" or both.
    """

    adapted_parts: tuple[str, ...] = ("policy",)


@algorithm(ANILSettings)
def anil(tasks: TaskDistribution, settings: ANILSettings) -> PPO:
    """``maml`` in which only the policy's last layer adapts; the layers below are shared by all tasks.

    Raises:
      ValueError: for an empty ``adapted_parts``, or an unknown part.

    Example:
      >>> import jmeta
      >>> agent = jmeta.algorithms.anil(jmeta.tasks.PointNavigation(), adapted_parts=("torso", "policy"))

    References:
      Raghu et al. 2020, arXiv 1909.09157.
    """
    parts = settings.adapted_parts
    if not parts or not set(parts) <= {"torso", "policy"}:
        raise ValueError(
            f'adapted_parts={parts}: the policy has the parts "torso" and "policy", and at least one of them must adapt'
        )
    return adapting_learner(tasks, settings, GradientDescent.create(settings))
