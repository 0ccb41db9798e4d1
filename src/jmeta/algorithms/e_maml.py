"""E-MAML (Stadie et al. 2018, arXiv 1803.01118)."""

import jax

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.maml import AdaptedSettings, MetaGradientSettings, protocol_of
from jmeta.inner.maml import MAML
from jmeta.inner.update_rules import DescentSettings, GradientDescent
from jmeta.objectives import naive
from jmeta.outer.credit import Exploration
from jmeta.outer.ppo import PPO, PPOSettings
from jmeta.ranges import NonNegative
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution


@struct.settings
class EMAMLSettings(AdaptedSettings, DescentSettings, MetaGradientSettings, PPOSettings):
    """Settings of ``e_maml``.

    Attributes:
      exploration_coefficient: weight of the exploration term; the gradient is unbiased at 1, biased but less noisy below 1.
    """

    exploration_coefficient: jax.Array | NonNegative = 1.0


@algorithm(EMAMLSettings)
def e_maml(tasks: TaskDistribution, settings: EMAMLSettings) -> PPO:
    """``maml`` that also rewards exploration: actions before adaptation are credited with the return after adaptation.

    The meta-gradient has two terms. The first differentiates the inner steps with their data held fixed, by the ``naive``
    surrogate. The second, the exploration term, credits the actions before adaptation with the return of the adapted policy.

    Raises:
      ValueError: as ``maml``, and for a single task.

    Example:
      >>> import jmeta
      >>> agent = jmeta.algorithms.e_maml(jmeta.tasks.SparsePointNavigation(), exploration_coefficient=0.5)
      >>> agent.segment_weights
      (1.0, 1.0)

    References:
      Stadie et al. 2018, arXiv 1803.01118.

    Deviations from the paper:
      The exploration term covers all actions before the last adaptation, with a baseline from the other tasks of the meta-batch.
      The paper's experiments use one inner step in the same way. Its code adds the likelihood of the exploratory episodes to a
      single objective with the trust region of ``maml_trpo``; the outer optimiser here is PPO with Adam.
    """
    if settings.num_tasks < 2:
        raise ValueError(
            f"num_tasks={settings.num_tasks}: the second term's baseline is the mean of the other tasks; use 2 or more"
        )
    protocol = protocol_of(tasks, settings)
    return PPO(
        inner=MAML.create(
            tasks.observation_size, tasks.action_space, settings, GradientDescent.create(settings), surrogate=naive
        ),
        tasks=tasks,
        credit=Exploration(discount=settings.discount, coefficient=settings.exploration_coefficient),
        protocol=protocol,
        segment_weights=(1.0,) * protocol.num_segments,
        **fields_for(PPO, settings),
    )
