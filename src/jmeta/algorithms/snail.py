"""SNAIL (Mishra et al. 2018, arXiv 1707.03141)."""

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.rl2 import RecurrentSettings, RL2Settings, recurrent_learner
from jmeta.inner.rl2 import GeneratedHeadsSettings
from jmeta.outer.ppo import PPO
from jmeta.ranges import Count
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution


@struct.settings
class SNAILSettings(RecurrentSettings, GeneratedHeadsSettings):
    """Settings of ``snail``.

    Attributes:
      hidden_size: size of the first layer, of keys and of values; each convolution has half as many filters.
    """

    hidden_size: Count = 32


@algorithm(SNAILSettings)
def snail(tasks: TaskDistribution, settings: SNAILSettings) -> PPO:
    """``rl2`` with temporal convolutions and causal attention over the whole lifetime in place of a recurrent core.

    Example:
      >>> import jmeta
      >>> jmeta.algorithms.snail(jmeta.tasks.BernoulliBandit(num_arms=2), hidden_size=16).inner.action_space
      Discrete(num_actions=2)

    References:
      Mishra et al. 2018, arXiv 1707.03141.

    Deviations from the paper:
      PPO in place of TRPO, with a critic that shares the network.
    """
    return recurrent_learner(tasks, RL2Settings(core="snail", **fields_for(RL2Settings, settings)))
