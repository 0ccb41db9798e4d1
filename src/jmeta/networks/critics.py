"""Action values."""

import jax
import jax.numpy as jnp
from flax import nnx

from jmeta.networks.torsos import MLP


class TwinCritic(nnx.Module):
    """Inputs [F] to two estimates [2, size] that share nothing, the lower of which is believed.

    References:
      Fujimoto et al. 2018, arXiv 1802.09477.
    """

    def __init__(self, num_inputs: int, widths: tuple[int, ...], size: int = 1, *, rngs: nnx.Rngs):
        self.torsos = nnx.List([MLP(num_inputs, widths, rngs=rngs) for _ in range(2)])
        self.outputs = nnx.List([nnx.Linear(widths[-1], size, rngs=rngs) for _ in range(2)])

    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.stack([output(torso(x)) for torso, output in zip(self.torsos, self.outputs, strict=True)])
