"""Networks of action values."""

import jax
import jax.numpy as jnp
from flax import nnx

from jmeta.networks.linear import Linear
from jmeta.networks.torsos import MLP


class TwinActionValues(nnx.Module):
    """Maps features to two estimates [2, A] of the value of every action, which share no parameters; targets use the lower one.

    References:
      Fujimoto et al. 2018, arXiv 1802.09477.
    """

    def __init__(self, num_inputs: int, num_actions: int, widths: tuple[int, ...], *, rngs: nnx.Rngs):
        self.torsos = nnx.List([MLP(num_inputs, widths, rngs=rngs) for _ in range(2)])
        self.outputs = nnx.List([Linear(widths[-1], num_actions, rngs=rngs) for _ in range(2)])

    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.stack([output(torso(x)) for torso, output in zip(self.torsos, self.outputs, strict=True)])


class TwinCritic(nnx.Module):
    """Maps features and an action in a box to two estimates [2] of its value."""

    def __init__(self, num_inputs: int, action_size: int, widths: tuple[int, ...], *, rngs: nnx.Rngs):
        self.values = TwinActionValues(num_inputs + action_size, 1, widths, rngs=rngs)

    def __call__(self, x: jax.Array, action: jax.Array) -> jax.Array:
        return self.values(jnp.concatenate([x, action]))[:, 0]
