"""Proximal policy optimisation over replayed lifetimes (Schulman et al. 2017, arXiv 1707.06347)."""

import jax

from jmeta import struct
from jmeta.outer.ppo_settings import PPOSettings
from jmeta.outer.proximal import Proximal
from jmeta.types import Theta

__all__ = ["PPO", "PPOSettings", "Proximal"]


@struct.dataclass
class PPO(Proximal[Theta]):
    """Proximal policy optimisation: ``Proximal`` with a learning rate that falls linearly.

    References:
      Schulman et al. 2017, arXiv 1707.06347.
    """

    def schedule(self, remaining: jax.Array) -> jax.Array:
        return remaining
