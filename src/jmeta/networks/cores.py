"""Construction of recurrent cores by name."""

from typing import Literal, get_args

import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from jmeta.networks.core import Core
from jmeta.networks.episodic_lstm import EpisodicLSTM
from jmeta.networks.linear_recurrence import LRU
from jmeta.networks.mann import MANN
from jmeta.networks.recurrent import GRU, LSTM
from jmeta.networks.snail import SNAIL
from jmeta.networks.transformer import Transformer

CoreName = Literal["gru", "lstm", "lru", "transformer", "snail", "mann", "episodic-lstm"]
LAYERED = ("lru", "transformer")
"""Cores that take a number of layers."""
HEADS = 4
"""Number of heads of a transformer's attention, and of a MANN."""


def check_core(name: str, size: int, num_layers: int, window: int) -> None:
    """Raises ValueError for a core that can't be built."""
    if name not in get_args(CoreName):
        raise ValueError(f"core={name!r}: choose from {', '.join(get_args(CoreName))}")
    if size < 1:
        raise ValueError(f"hidden_size={size}: a core needs at least 1 unit")
    if num_layers < 1 or (num_layers > 1 and name not in LAYERED):
        raise ValueError(f"num_layers={num_layers}: it must be {'at least ' * (name in LAYERED)}1 for core={name!r}")
    if name == "transformer" and size % (2 * HEADS):
        raise ValueError(f"hidden_size={size}: a transformer's must be a multiple of {2 * HEADS}, two for each of {HEADS} heads")
    least = HEADS + 1 if name == "mann" else 1
    if window < least:
        raise ValueError(f"context_length={window}: core={name!r} needs at least {least}")


def make_core(
    name: CoreName,
    num_inputs: int,
    size: int,
    *,
    num_layers: int,
    window: int,
    dtype: DTypeLike = jnp.float32,
    rngs: nnx.Rngs,
) -> Core:
    """Builds a core by name.

    Args:
      name: name of the core.
      num_inputs: length of its input.
      size: size of its state.
      num_layers: number of layers of the cores in ``LAYERED``; 1 for others.
      window: steps within reach of attention and convolutions; number of slots of an external memory.
      dtype: dtype of matrix products.
    """
    match name:
        case "gru":
            return GRU(num_inputs, size, dtype=dtype, rngs=rngs)
        case "lstm":
            return LSTM(num_inputs, size, dtype=dtype, rngs=rngs)
        case "lru":
            return LRU(num_inputs, size, num_layers=num_layers, dtype=dtype, rngs=rngs)
        case "transformer":
            return Transformer(num_inputs, size, num_layers=num_layers, num_heads=HEADS, window=window, dtype=dtype, rngs=rngs)
        case "snail":
            return SNAIL(num_inputs, size, window=window, dtype=dtype, rngs=rngs)
        case "mann":
            return MANN(num_inputs, size, num_slots=window, num_heads=HEADS, dtype=dtype, rngs=rngs)
        case "episodic-lstm":
            return EpisodicLSTM(num_inputs, size, num_slots=window, dtype=dtype, rngs=rngs)
