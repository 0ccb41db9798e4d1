"""MAML++ (Antoniou et al. 2019, arXiv 1810.09502)."""

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.maml import AdaptedSettings, MetaGradientSettings, credit_of, protocol_of
from jmeta.inner.gradient_agent import BaselineSettings, SurrogateSettings
from jmeta.inner.maml import MAML
from jmeta.inner.update_rules import InnerRateSettings, RatePerStep, rates_of
from jmeta.outer.maml_plus_plus import MAMLPlusPlus, MAMLPlusPlusScheduleSettings
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution


@struct.settings
class MAMLPlusPlusSettings(
    AdaptedSettings, InnerRateSettings, BaselineSettings, SurrogateSettings, MetaGradientSettings, MAMLPlusPlusScheduleSettings
):
    """Settings of ``maml_plus_plus``.

    Attributes:
      inner_rates: initial learning rates of the first, second, ... inner step; the last one is used for all later steps. Inner
        steps beyond those of training keep their initial rates.
    """


@algorithm(MAMLPlusPlusSettings)
def maml_plus_plus(tasks: TaskDistribution, settings: MAMLPlusPlusSettings) -> MAMLPlusPlus:
    """``maml`` that learns an inner learning rate for every layer and inner step, with schedules that stabilise training.

    The objective moves from the returns after *every* inner step to the return after the last one. The first outer steps leave
    out second derivatives. The learning rate follows a cosine schedule.

    Raises:
      ValueError: for no inner rate, or a negative number of steps.

    Example:
      >>> import jmeta
      >>> agent = jmeta.algorithms.maml_plus_plus(jmeta.tasks.PointNavigation(), num_inner_steps=2)
      >>> agent.segment_weights
      (0.0, 1.0, 1.0)

    References:
      Antoniou et al. 2019, arXiv 1810.09502.

    Deviations from the paper:
      The paper is about supervised tasks. Four of its six parts are here: losses after every step, annealing from first to
      second order, learned rates per layer and step, and the cosine schedule. The other two are statistics and biases of batch
      normalisation for each inner step; the policies here have no batch normalisation. The schedules are given in outer steps;
      the paper's are 15 and 50 of its 100 epochs.
    """
    protocol = protocol_of(tasks, settings)
    return MAMLPlusPlus(
        inner=MAML.create(tasks.observation_size, tasks.action_space, settings, RatePerStep(rates_of(settings))),
        tasks=tasks,
        credit=credit_of(settings),
        protocol=protocol,
        segment_weights=(0.0, *(1.0 for _ in range(protocol.num_segments - 1))),
        **fields_for(MAMLPlusPlus, settings),
    )
