"""Torsos: encoders of observations."""

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from jmeta.networks.linear import Linear

Shape = tuple[int, int, int]


class MLP(nnx.Module):
    """Hidden layers [in] -> [widths[-1]], each followed by the activation.

    Args:
      num_inputs: in.
      widths: widths of the layers.
      activation: activation after each layer.
      dtype: dtype of the computation; parameters are always float32.
    """

    def __init__(
        self,
        num_inputs: int,
        widths: tuple[int, ...],
        activation: Any = jax.nn.relu,
        *,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        sizes = (num_inputs, *widths)
        init = nnx.initializers.xavier_uniform()
        self.layers = nnx.List([Linear(i, o, kernel_init=init, dtype=dtype, rngs=rngs) for i, o in itertools.pairwise(sizes)])
        self.activation = activation

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.layers:
            x = self.activation(layer(x))
        return x


class Convolutions(nnx.Module):
    """Maps a flat image [H * W * C] to features [output_size] by 3 by 3 convolutions, each followed by a ReLU.

    Zero padding keeps the size of the image.

    Args:
      shape: (H, W, C).
      filters: number of filters of each layer.
      dtype: dtype of the computation; parameters are always float32.

    References:
      Young and Tian 2019, arXiv 1903.03176 (MinAtar): one layer of 16 filters.
    """

    def __init__(
        self,
        shape: Shape,
        filters: tuple[int, ...],
        *,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.shape = shape
        channels = itertools.pairwise((shape[-1], *filters))
        self.layers = nnx.List([nnx.Conv(i, o, (3, 3), dtype=dtype, rngs=rngs) for i, o in channels])
        self.output_size = math.prod(shape[:2]) * filters[-1]

    def __call__(self, x: jax.Array) -> jax.Array:
        x = x.reshape(self.shape)
        for layer in self.layers:
            x = jax.nn.relu(layer(x))
        return x.reshape(-1)
