"""ProMP: proximal meta-policy search (Rothfuss et al. 2019, arXiv 1810.06784)."""

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.outer.on_policy import Experience, divergence, take_segments
from jmeta.outer.ppo import PPO
from jmeta.ranges import NonNegative
from jmeta.types import Metrics, Theta


@struct.dataclass
class ProMP(PPO):
    """``PPO`` that also keeps the policies *before* the last adaptation near those that gathered the data.

    The clipped surrogate bounds how far the adapted policies move in an outer step. What they adapt from moves too, and the data
    of the inner steps goes stale with it, so

        maximise  PPO's objective of the scored segments - kl_coefficient * mean KL(recorded || now) in the other segments.

    Attributes:
      kl_coefficient: eta of the paper, at least 0.

    References:
      Rothfuss et al. 2019, arXiv 1810.06784, equation 13.
    """

    kl_coefficient: jax.Array | NonNegative = 5e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        if all(self.score):
            raise ValueError(f"score={self.score}: every segment scores, so there is none to keep near; use PPO")

    def loss(self, theta: Theta, group: Experience, remaining: jax.Array | float = 1.0) -> tuple[jax.Array, Metrics]:
        loss, metrics = super().loss(theta, group, remaining)
        before = tuple(k for k, weight in enumerate(self.score) if not weight)
        recorded, weight = take_segments((group.lifetimes.segments.decision, group.credit.weight), before)
        decisions = self.decide_again(theta, group, before)
        kl = jnp.mean(divergence(recorded, decisions, weight))
        loss = loss + self.kl_coefficient * kl
        return loss, metrics | {"loss": loss, "policy/kl_before": kl}
