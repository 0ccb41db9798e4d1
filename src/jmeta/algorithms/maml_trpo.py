"""MAML with a trust region, as its authors trained it (Finn et al. 2017, arXiv 1703.03400)."""

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.maml import AdaptedSettings, MetaGradientSettings, adapting, credit_of
from jmeta.inner.gradient_agent import SurrogateSettings
from jmeta.inner.maml import MAML
from jmeta.inner.update_rules import DescentSettings, GradientDescent
from jmeta.outer.trust_region import TrustRegion, TrustRegionSettings
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution


@struct.settings
class MAMLTRPOSettings(AdaptedSettings, DescentSettings, SurrogateSettings, MetaGradientSettings, TrustRegionSettings):
    """Settings of ``maml_trpo``."""


@algorithm(MAMLTRPOSettings)
def maml_trpo(tasks: TaskDistribution, settings: MAMLTRPOSettings) -> TrustRegion:
    """``maml`` whose outer steps are natural-gradient steps under a limit on the KL divergence of the adapted policies.

    Raises:
      ValueError: for a max_kl that is not positive.

    Example:
      >>> import jmeta
      >>> agent = jmeta.algorithms.maml_trpo(jmeta.tasks.PointNavigation(), max_kl=0.02, surrogate="naive")

    References:
      Finn et al. 2017, arXiv 1703.03400; Schulman et al. 2015, arXiv 1502.05477.

    Deviations from the paper:
      The inner surrogate is low-variance curvature by default; the authors' is ``surrogate="naive"``.
    """
    return TrustRegion(
        inner=MAML.create(tasks.observation_size, tasks.action_space, settings, GradientDescent.create(settings)),
        credit=credit_of(settings),
        **adapting(tasks, settings),
        **fields_for(TrustRegion, settings),
    )
