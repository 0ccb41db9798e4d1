"""SNAIL: temporal convolutions and causal attention (Mishra et al. 2018, arXiv 1707.03141)."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from jmeta.networks.attention import Cache, CausalAttention
from jmeta.networks.core import Core, newest, positions
from jmeta.networks.linear import Linear


class Past(NamedTuple):
    """The features of the last R steps of a temporal convolution. Step s lies in slot s modulo R."""

    features: jax.Array  # [R, channels]
    num_steps: jax.Array  # [] int32, steps since the last reset


class TemporalConvolutions(nnx.Module):
    """Causal convolutions of two taps, dilated by 1, 2, 4, ... until they reach back ``length`` steps.

    Each adds ``num_filters`` features to those it was given: x_t becomes [x_t, tanh(f_t) * sigmoid(g_t)], where f and g are
    linear in x_t and x_{t - dilation}.

    Args:
      num_inputs: features of a step.
      num_filters: that each convolution adds.
      length: steps to reach back.
      dtype: of matrix products.
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
        """One step [num_inputs] to [output_size]."""
        reach = self.dilations[-1]
        for dilation, layer in zip(self.dilations, self.layers, strict=True):
            # A slot that was never written is zero, which is what lies before the beginning.
            earlier = past.features[(past.num_steps - dilation) % reach, : x.shape[-1]]
            x = self._widen(layer, x, earlier)
        return Past(past.features.at[past.num_steps % reach].set(x), past.num_steps + 1), x

    def unroll(self, past: Past, xs: jax.Array, resets: jax.Array | None) -> tuple[Past, jax.Array]:
        """A sequence [T, num_inputs] to [T, output_size]."""
        length, reach = len(xs), self.dilations[-1]
        position, span = positions(past.num_steps, length, resets)
        in_order = past.features[(past.num_steps + jnp.arange(reach)) % reach]  # the oldest first
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
    """Two rounds of temporal convolutions and attention; memory is what each of the four has seen.

    Convolutions gather what lies within reach; attention finds a particular step among all. What each makes is appended
    to what it was given.

    Args:
      num_inputs: length of x.
      size: of the first layer, of keys and of values; each convolution adds half as many filters.
      window: steps within reach of both, the length of a lifetime as a rule.
      dtype: of matrix products; parameters and memory are float32 in any case.

    References:
      Mishra et al. 2018, arXiv 1707.03141, whose agents for bandits and tabular MDPs these are, but for the sizes.
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
