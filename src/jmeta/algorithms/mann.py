"""Memory-augmented neural networks (Santoro et al. 2016, arXiv 1605.06065) as agents."""

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.rl2 import RecurrentSettings, RL2Settings, recurrent_learner
from jmeta.inner.rl2 import GeneratedHeadsSettings
from jmeta.outer.ppo import PPO
from jmeta.ranges import Count
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution


@struct.settings
class MANNSettings(RecurrentSettings, GeneratedHeadsSettings):
    """Settings of ``mann``.

    Attributes:
      context_length: slots of the memory, at least 5; if None, one for each step of a lifetime.
    """

    context_length: Count | None = 32


@algorithm(MANNSettings)
def mann(tasks: TaskDistribution, settings: MANNSettings) -> PPO:
    """``rl2`` with an external memory, whose slots are read by content and written where they were least recently used.

    Raises:
      ValueError: for too few slots, or a lifetime shorter than that.

    Example:
      >>> import jmeta
      >>> agent = jmeta.algorithms.mann(jmeta.tasks.BernoulliBandit(num_arms=2), context_length=8)
      >>> agent.protocol.segment_length
      10

    References:
      Santoro et al. 2016, arXiv 1605.06065.

    Deviations from the paper:
      Reinforcement learning in place of supervised classification; ``jmeta.networks.MANN`` says what differs in the network.
    """
    return recurrent_learner(tasks, RL2Settings(core="mann", **fields_for(RL2Settings, settings)))
