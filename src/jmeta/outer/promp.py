"""ProMP: proximal meta-policy search (Rothfuss et al. 2019, arXiv 1810.06784)."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.outer.meta_batch import MetaBatch
from jmeta.outer.ppo_settings import PPOSettings
from jmeta.outer.proximal import Proximal
from jmeta.outer.terms import Divergence, Term
from jmeta.parallel import mean_over_devices
from jmeta.ranges import NonNegative, Positive
from jmeta.types import MetaState, Metrics, PyTree, Theta

LEAST_COEFFICIENT = 1e-6
"""Minimum of an adaptive coefficient of the divergence before adaptation."""


class ProMPExtra(NamedTuple):
    """State besides theta and the optimiser's."""

    statistics: PyTree  # of the credit assignment
    num_steps: jax.Array  # [] int32, outer steps taken
    kl_coefficient: jax.Array  # []


@struct.settings
class ProMPSettings(PPOSettings):
    """Settings of proximal meta-policy search.

    Attributes:
      kl_coefficient: weight of the KL penalty on the policies before adaptation, eta in the paper; its initial value if it
        adapts.
      target_kl: target of the KL divergence before adaptation, in nats. The coefficient doubles after an outer step with more
        than 1.5 times this, and halves after one with less than two thirds of it, down to 1e-6. If None, the
        coefficient is constant.
    """

    kl_coefficient: jax.Array | NonNegative = 5e-4
    target_kl: jax.Array | Positive | None = None


@struct.dataclass
class ProMP(Proximal[Theta], ProMPSettings):
    """``PPO`` that also keeps the policies *before* the last adaptation near those that gathered the data.

    The clipped surrogate bounds the change of the adapted policies in an outer step. The policies before adaptation change too,
    and the data of the inner steps becomes off-policy. The objective therefore has a penalty:

        maximise  PPO's objective of the weighted segments - kl_coefficient * mean KL(recorded || now) in the other segments.

    The inner steps of a replay weight the recorded decisions by their likelihood ratio, see ``jmeta.inner.maml.MAML``.

    References:
      Rothfuss et al. 2019, arXiv 1810.06784, equation 13. The adaptive coefficient: their code, and Schulman et al. 2017,
      arXiv 1707.06347, section 4.
    """

    def __post_init__(self) -> None:
        if all(self.segment_weights):
            raise ValueError(
                f"segment_weights={self.segment_weights}: every segment has a weight, so none is left for the KL penalty; use PPO"
            )
        super().__post_init__()

    def schedule(self, remaining: jax.Array) -> jax.Array:
        return remaining

    def init(self, key: jax.Array) -> MetaState[Theta]:
        state = super().init(key)
        statistics, num_steps = state.extra
        return state._replace(extra=ProMPExtra(statistics, num_steps, jnp.asarray(self.kl_coefficient, jnp.float32)))

    def improve(self, state: MetaState[Theta], experience: MetaBatch, statistics: PyTree) -> tuple[MetaState[Theta], Metrics]:
        coefficient = state.extra.kl_coefficient
        now = dataclasses.replace(self, kl_coefficient=coefficient)
        state, metrics = super(ProMP, now).improve(state, experience, statistics)
        metrics["policy/kl_coefficient"] = coefficient
        if self.target_kl is not None:
            kl = mean_over_devices(self.over_microbatches(lambda group: self.measure(state.theta, group), experience))
            state = state._replace(extra=state.extra._replace(kl_coefficient=self.adapted(coefficient, kl)))
        return state, metrics

    def adapted(self, coefficient: jax.Array, kl: jax.Array) -> jax.Array:
        """Returns the coefficient [] after an outer step with this divergence before adaptation; ``target_kl`` must be given."""
        factor = jnp.select([kl > 1.5 * self.target_kl, kl < self.target_kl / 1.5], [2.0, 0.5], 1.0)  # type: ignore[operator]
        return jnp.maximum(coefficient * factor, LEAST_COEFFICIENT).astype(coefficient.dtype)

    def objective(self, remaining: jax.Array | float = 1.0) -> tuple[Term, ...]:
        return (*super().objective(remaining), self.kl_before)

    @property
    def kl_before(self) -> Term:
        """Returns the term of the KL from recorded policies to those under theta, over the segments without a weight."""
        before = tuple(0.0 if weight else 1.0 for weight in self.segment_weights)
        share = tuple(weight / sum(before) for weight in before)
        return Divergence("policy/kl_before", weight=self.kl_coefficient, segments=share)

    def measure(self, theta: Theta, group: MetaBatch) -> jax.Array:
        """Returns the divergence before adaptation under theta, []."""
        before = tuple(k for k, weight in enumerate(self.segment_weights) if not weight)
        return self.term_mean(self.kl_before, self.decide_again(theta, group, before), group, before)
