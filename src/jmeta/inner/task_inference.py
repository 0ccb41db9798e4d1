"""Task inference: a belief that is trained on descriptions of the training tasks (Humplik et al. 2019, arXiv 1905.06424)."""

import jax

from jmeta import struct
from jmeta.inner.belief import BeliefAgent, Record
from jmeta.objectives import gaussian_log_density
from jmeta.types import Metrics, Parts


@struct.dataclass
class TaskInference(BeliefAgent):
    """The belief is a Gaussian over the task's description, trained by maximum likelihood at every step.

        maximise  mean_t log N(description; mean_t, variance_t).

    Descriptions are privileged information: they are used in training only.

    References:
      Humplik et al. 2019, arXiv 1905.06424.

    Deviations from the paper:
      The belief network has no stochastic bottleneck; training is on-policy.
    """

    def belief_loss(self, theta: Parts, record: Record, key: jax.Array) -> tuple[jax.Array, Metrics]:
        likelihood = lambda belief: gaussian_log_density(record.description, *belief)  # noqa: E731
        loss = -jax.vmap(likelihood)(self.beliefs(theta, record.timesteps)).mean()
        return loss, {"belief/loss": loss}
