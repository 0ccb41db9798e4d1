"""Recurrent hypernetworks (Beck et al. 2023, arXiv 2309.14970)."""

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.rl2 import RecurrentSettings, RL2Settings, recurrent_learner
from jmeta.outer.ppo import PPO
from jmeta.ranges import Count
from jmeta.settings import CoreSettings
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution


@struct.settings
class RecurrentHypernetworkSettings(CoreSettings, RecurrentSettings):
    """Settings of ``recurrent_hypernetwork``.

    Attributes:
      num_layers: layers of an lru or a transformer; the other cores have one.
      head_widths: sizes of the hidden layers of the generated policy, and likewise of the critic.
    """

    num_layers: Count = 1
    head_widths: tuple[Count, ...] = (32,)


@algorithm(RecurrentHypernetworkSettings)
def recurrent_hypernetwork(tasks: TaskDistribution, settings: RecurrentHypernetworkSettings) -> PPO:
    """``rl2`` whose hidden state generates the weights of the policy at every step.

    The policy and its critic see the observation alone; the task enters through their weights. Before training, the generated
    weights do not depend on the hidden state and follow an ordinary initialisation (bias-hyperinit; see
    ``jmeta.networks.Hypernetwork``).

    Example:
      >>> import jmeta
      >>> agent = jmeta.algorithms.recurrent_hypernetwork(jmeta.tasks.GridNavi(), head_widths=(16,))

    References:
      Beck et al. 2023, arXiv 2309.14970. Bias-hyperinit: Beck et al. 2022, arXiv 2210.11348.

    Deviations from the paper:
      PPO on whole lifetimes; the critic's weights are generated as well as the policy's.
    """
    return recurrent_learner(tasks, RL2Settings(hypernetwork=True, **fields_for(RL2Settings, settings)))
