"""RL² with a small network, by covariance matrix adaptation (Hansen 2016, arXiv 1604.00772)."""

from typing import Literal

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.rl2 import LifetimeSettings, one_lifetime, recurrent_agent
from jmeta.inner.rl2 import RecurrentAgentSettings
from jmeta.outer.ask_tell import AskTell
from jmeta.outer.population import PopulationSettings
from jmeta.ranges import Count
from jmeta.settings import CoreSettings
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution


@struct.settings
class RL2CMAESSettings(CoreSettings, LifetimeSettings, PopulationSettings):
    """Settings of ``rl2_cma_es``.

    Attributes:
      hidden_size: hidden units of the core; memory of a full covariance grows with the square of the number of weights.
      covariance: ``full`` adapts the covariance of all weights; ``diagonal`` adapts only the variances (sep-CMA-ES), for larger
        networks.
    """

    covariance: Literal["full", "diagonal"] = "full"
    hidden_size: Count = 8
    num_tasks: Count = 1024
    population_size: Count = 128


@algorithm(RL2CMAESSettings)
def rl2_cma_es(tasks: TaskDistribution, settings: RL2CMAESSettings) -> AskTell:
    """``rl2_es`` with CMA-ES: perturbations are drawn from a Gaussian whose mean and covariance adapt to the best members.

    Raises:
      ValueError: for an odd population, or a lifetime that is not a whole number of episodes.

    Example:
      >>> import jmeta
      >>> jmeta.algorithms.rl2_cma_es(jmeta.tasks.BernoulliBandit(), covariance="diagonal").population_size
      128

    References:
      Hansen 2016, arXiv 1604.00772; diagonal: Ros and Hansen 2008; both by evosax, Lange 2022, arXiv 2212.04180.

    Deviations from the paper:
      The population is drawn with the symmetric root of the covariance, which is computed by matrix products; see
      ``jmeta.outer.matrix_cma``. The distribution is the same.
    """
    from evosax.algorithms import Sep_CMA_ES

    from jmeta.outer.matrix_cma import MatrixCMA

    agent = RecurrentAgentSettings(core=settings.core, hidden_size=settings.hidden_size)
    lifetime = one_lifetime(tasks, settings)
    inner = recurrent_agent(tasks, agent, lifetime["protocol"].segment_length)

    return AskTell(
        inner=inner,
        strategy=MatrixCMA if settings.covariance == "full" else Sep_CMA_ES,
        **lifetime,
        **fields_for(AskTell, settings),
    )
