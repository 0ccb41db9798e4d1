"""SNAIL: temporal convolutions and causal attention (Mishra et al. 2018, arXiv 1707.03141)."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from jmeta.networks.causal_attention import Cache, CausalAttention
from jmeta.networks.core import Core, newest, positions
from jmeta.networks.linear import Linear


class Past(NamedTuple):
    """Features of the last R steps of a temporal convolution. Step s is stored in slot s modulo R."""

    features: jax.Array  # [R, channels]
    num_steps: jax.Array  # [] int32, steps since the last reset


class TemporalConvolutions(nnx.Module):
    """Causal convolutions of two taps with dilations 1, 2, 4, ..., whose receptive field is at least ``length`` steps.

    Each convolution appends ``num_filters`` features to its input: x_t becomes [x_t, tanh(f_t) * sigmoid(g_t)], where f and g are
    linear in x_t and x_{t - dilation}.

    Args:
      num_inputs: number of features of a step.
      num_filters: number of features that each convolution appends.
      length: least receptive field, in steps.
      dtype: dtype of matrix products.
    """

    def __init__(self, num_inputs: int, num_filters: int, length: int, *, dtype: DTypeLike = jnp.float32, rngs: nnx.Rngs):
        number = max(1, math.ceil(math.log2(length)))
        self.dilations = tuple(2**i for i in range(number))
        widths = [num_inputs + i * num_filters for i in range(number)]
        self.layers = nnx.List([Linear(2 * width, 2 * num_filters, dtype=dtype, rngs=rngs) for width in widths])
        self.output_size = num_inputs + number * num_filters

    def initial_past(self) -> Past:
        return Past(jnp.zeros((self.dilations[-1], self.output_size), jnp.float32), jnp.zeros((), jnp.int32))

    def __call__(self, past: Past, x: jax.Array) -> tuple[Past, jax.Array]:
        """Maps one step [num_inputs] to [output_size]."""
        reach = self.dilations[-1]
        for dilation, layer in zip(self.dilations, self.layers, strict=True):
            # A slot that was never written is zero, as the padding before the first step.
            earlier = past.features[(past.num_steps - dilation) % reach, : x.shape[-1]]
            x = self._widen(layer, x, earlier)
        return Past(past.features.at[past.num_steps % reach].set(x), past.num_steps + 1), x

    def unroll(self, past: Past, xs: jax.Array, resets: jax.Array | None) -> tuple[Past, jax.Array]:
        """Maps a sequence [T, num_inputs] to [T, output_size]."""
        length, reach = len(xs), self.dilations[-1]
        position, span = positions(past.num_steps, length, resets)
        in_order = past.features[(past.num_steps + jnp.arange(reach)) % reach]  # oldest first
        for dilation, layer in zip(self.dilations, self.layers, strict=True):
            known = jnp.concatenate([in_order[:, : xs.shape[-1]], xs])
            earlier = known[reach - dilation : reach - dilation + length]
            xs = self._widen(layer, xs, jnp.where((position >= dilation)[:, None], earlier, 0.0))
        num_steps = position[-1] + 1
        return Past(newest(past.features, xs, num_steps, span[-1] == 0), num_steps), xs

    def _widen(self, layer: Linear, x: jax.Array, earlier: jax.Array) -> jax.Array:
        value, gate = jnp.split(layer(jnp.concatenate([earlier, x], axis=-1)).astype(jnp.float32), 2, axis=-1)
        return jnp.concatenate([x, jnp.tanh(value) * jax.nn.sigmoid(gate)], axis=-1)


class SNAIL(Core):
    """Two blocks of temporal convolutions and attention; memory is the past features and the cache of each block.

    Convolutions aggregate the steps within reach, and attention selects particular steps. Each appends its output to its input.

    Args:
      num_inputs: length of x.
      size: size of the first layer, of keys and of values; each convolution appends half as many features.
      window: steps within reach of convolutions and attention, usually the length of a lifetime.
      dtype: dtype of matrix products; parameters and memory are always float32.

    References:
      Mishra et al. 2018, arXiv 1707.03141: the architecture of its agents for bandits and tabular MDPs, with other sizes.
    """

    def __init__(self, num_inputs: int, size: int, *, window: int, dtype: DTypeLike = jnp.float32, rngs: nnx.Rngs):
        self.inputs = Linear(num_inputs, size, dtype=dtype, rngs=rngs)
        self.convolutions, self.attentions = nnx.List([]), nnx.List([])
        width = size
        for _ in range(2):
            self.convolutions.append(TemporalConvolutions(width, max(1, size // 2), window, dtype=dtype, rngs=rngs))
            width = self.convolutions[-1].output_size
            sizes = {"num_heads": 1, "key_size": size, "value_size": size}
            self.attentions.append(CausalAttention(width, **sizes, window=window, rotary=False, dtype=dtype, rngs=rngs))
            width += size
        self.output_size = width

    def initial_memory(self) -> tuple[tuple[Past, Cache], ...]:
        pairs = zip(self.convolutions, self.attentions, strict=True)
        return tuple((convolve.initial_past(), attend.initial_cache()) for convolve, attend in pairs)

    def __call__(self, memory: tuple[tuple[Past, Cache], ...], x: jax.Array) -> tuple[tuple[tuple[Past, Cache], ...], jax.Array]:
        x, kept = self.inputs(x).astype(jnp.float32), []
        for convolve, attend, (past, cache) in zip(self.convolutions, self.attentions, memory, strict=True):
            past, x = convolve(past, x)
            cache, seen = attend(cache, x)
            x = jnp.concatenate([x, seen], axis=-1)
            kept.append((past, cache))
        return tuple(kept), x

    def unroll(
        self, memory: tuple[tuple[Past, Cache], ...], xs: jax.Array, resets: jax.Array | None = None
    ) -> tuple[tuple[tuple[Past, Cache], ...], jax.Array]:
        x, kept = self.inputs(xs).astype(jnp.float32), []
        for convolve, attend, (past, cache) in zip(self.convolutions, self.attentions, memory, strict=True):
            past, x = convolve.unroll(past, x, resets)
            cache, seen = attend.unroll(cache, x, resets)
            x = jnp.concatenate([x, seen], axis=-1)
            kept.append((past, cache))
        return tuple(kept), x
