"""Hypernetworks: networks whose output is the weights of another (Ha et al. 2016, arXiv 1609.09106)."""

import jax
from flax import nnx
from jax.flatten_util import ravel_pytree

from jmeta.networks.linear import Linear
from jmeta.networks.network import Network
from jmeta.networks.torsos import MLP
from jmeta.types import PyTree


class Hypernetwork(nnx.Module):
    """Maps an embedding [num_inputs] to parameters of the network ``target``.

    The kernel of the last layer is initialised with zeros, and its bias with initial parameters of the target. For any embedding,
    the first generated parameters are therefore an ordinary initialisation of the target. Beck et al. call this bias-hyperinit;
    without it, the scale of generated weights is wrong and learning is unstable.

    Args:
      num_inputs: length of the embedding.
      target: network whose parameters are generated.
      widths: hidden layers of this network; none by default.

    References:
      Beck et al. 2022, arXiv 2210.11348 (bias-hyperinit); Beck et al. 2023, arXiv 2309.14970.
    """

    def __init__(self, num_inputs: int, target: Network, widths: tuple[int, ...] = (), *, rngs: nnx.Rngs):
        fresh, self.unravel = ravel_pytree(target.init(rngs.params()))
        self.torso = MLP(num_inputs, widths, rngs=rngs)
        self.weights = Linear(
            widths[-1] if widths else num_inputs,
            fresh.size,
            kernel_init=nnx.initializers.zeros,
            bias_init=lambda key, shape, dtype: fresh.astype(dtype),
            rngs=rngs,
        )

    def __call__(self, embedding: jax.Array) -> PyTree:
        return self.unravel(self.weights(self.torso(embedding)))
