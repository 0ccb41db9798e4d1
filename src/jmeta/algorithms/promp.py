"""ProMP: proximal meta-policy search (Rothfuss et al. 2019, arXiv 1810.06784)."""

import jax

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.maml import AdaptedSettings, adapting, credit_of
from jmeta.inner.gradient_agent import BaselineSettings, MixedModeSettings
from jmeta.inner.maml import MAML
from jmeta.inner.update_rules import DescentSettings, GradientDescent
from jmeta.outer.on_policy import RematerialiseSettings
from jmeta.outer.promp import ProMP, ProMPSettings
from jmeta.ranges import Count, Positive
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution


@struct.settings
class ProMPAlgorithmSettings(
    AdaptedSettings, DescentSettings, BaselineSettings, MixedModeSettings, RematerialiseSettings, ProMPSettings
):
    """Settings of ``promp``.

    Attributes:
      clip_epsilon: PPO's clip range after adaptation, the half-width of the interval around 1 to which likelihood ratios are
        clipped.
    """

    num_epochs: Count = 5
    clip_epsilon: jax.Array | Positive = 0.3


@algorithm(ProMPAlgorithmSettings)
def promp(tasks: TaskDistribution, settings: ProMPAlgorithmSettings) -> ProMP:
    """``maml`` with the low-variance-curvature estimator, several clipped outer updates on the same data, and a KL penalty.

    Example:
      >>> import jmeta
      >>> agent = jmeta.algorithms.promp(jmeta.tasks.PointNavigation(), target_kl=0.01)

    Raises:
      ValueError: for a target_kl that is not positive.

    References:
      Rothfuss et al. 2019, arXiv 1810.06784.

    Deviations from the paper:
      Minibatches of tasks are possible. The norm of the meta-gradient is clipped. All inner steps share one KL coefficient, where
      the authors' code has one for each; it is constant by default, as in the paper's experiments.
    """
    return ProMP(
        inner=MAML.create(tasks.observation_size, tasks.action_space, settings, GradientDescent.create(settings)),
        credit=credit_of(settings),
        **adapting(tasks, settings),
        **fields_for(ProMP, settings),
    )
