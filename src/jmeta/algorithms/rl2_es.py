"""RL² trained by evolution strategies (Salimans et al. 2017, arXiv 1703.03864)."""

import jax

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.rl2 import LifetimeSettings, one_lifetime, recurrent_agent
from jmeta.inner.rl2 import RecurrentAgentSettings
from jmeta.outer.evolution import OpenAIES, OpenAIESSettings
from jmeta.ranges import Count, Positive
from jmeta.settings import CoreSettings
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution


@struct.settings
class RL2ESSettings(CoreSettings, LifetimeSettings, OpenAIESSettings):
    """Settings of ``rl2_es``."""

    hidden_size: Count = 32
    num_tasks: Count = 1024
    population_size: Count = 128
    learning_rate: jax.Array | Positive = 3e-2


@algorithm(RL2ESSettings)
def rl2_es(tasks: TaskDistribution, settings: RL2ESSettings) -> OpenAIES:
    """A recurrent policy whose hidden state is the learning algorithm, trained by perturbing its weights.

    The agent is that of ``rl2``. There is no backpropagation through time: the fitness is the return of a lifetime, so long
    lifetimes need no credit assignment, and memory does not grow with their length.

    Raises:
      ValueError: for an odd population, or a lifetime that is not a whole number of episodes.

    Example:
      >>> import jax, jmeta
      >>> agent = jmeta.algorithms.rl2_es(jmeta.tasks.BernoulliBandit(num_arms=2), hidden_size=4, num_tasks=4, population_size=8)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Duan et al. 2016, arXiv 1611.02779; Salimans et al. 2017, arXiv 1703.03864.

    Deviations from the papers:
      Duan et al. train by TRPO. As in Salimans et al. there are mirrored perturbations, centred ranks and Adam, but no weight
      decay by default and no virtual batch normalisation.
    """
    agent = RecurrentAgentSettings(core=settings.core, hidden_size=settings.hidden_size)
    lifetime = one_lifetime(tasks, settings)
    inner = recurrent_agent(tasks, agent, lifetime["protocol"].segment_length)

    return OpenAIES(inner=inner, **lifetime, **fields_for(OpenAIES, settings))
