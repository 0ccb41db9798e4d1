"""Reptile (Nichol et al. 2018, arXiv 1803.02999)."""

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.maml import AdaptedSettings, protocol_of
from jmeta.inner.maml import MAML
from jmeta.inner.update_rules import DescentSettings, GradientDescent
from jmeta.outer.reptile import Reptile, ReptileStepSettings
from jmeta.ranges import Count
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution


@struct.settings
class ReptileSettings(AdaptedSettings, DescentSettings, ReptileStepSettings):
    """Settings of ``reptile``.

    Attributes:
      num_inner_steps: gradient steps on each task, each on fresh data.
    """

    num_inner_steps: Count = 3


@algorithm(ReptileSettings)
def reptile(tasks: TaskDistribution, settings: ReptileSettings) -> Reptile:
    """Takes policy-gradient steps in each task and moves the initial weights towards the adapted weights.

    Example:
      >>> import jmeta
      >>> agent = jmeta.algorithms.reptile(jmeta.tasks.PointNavigation(), num_inner_steps=4)
      >>> agent.protocol.num_segments
      5

    References:
      Nichol et al. 2018, arXiv 1803.02999.

    Deviations from the paper:
      The paper is about supervised tasks; the inner steps here are MAML's policy-gradient steps.
    """
    return Reptile(
        inner=MAML.create(tasks.observation_size, tasks.action_space, settings, GradientDescent.create(settings)),
        tasks=tasks,
        protocol=protocol_of(tasks, settings),
        **fields_for(Reptile, settings),
    )
