"""The gated transformer GTrXL, a core that attends to past steps (Parisotto et al. 2019, arXiv 1910.06764)."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from jmeta.networks.causal_attention import Cache, CausalAttention
from jmeta.networks.core import Core
from jmeta.networks.linear import Linear, for_features


class Transformer(Core):
    """A causal transformer with gated residual connections; memory is the cache of each layer.

        x = gate(x, relu(attend(norm(x)))),   x = gate(x, relu(mlp(norm(x))))

    with GRU gates, whose bias is initialised such that a layer hardly changes its input. An agent then starts
    close to a policy without memory, and learns to use its memory.

    Args:
      num_inputs: length of x.
      size: width of the residual stream, and of the output.
      num_layers: number of layers, each of attention and a perceptron.
      num_heads: number of attention heads; ``size / num_heads`` must be even.
      window: number of steps that are attended to.
      dtype: dtype of matrix products; parameters, gates and memory are always float32.

    References:
      Parisotto et al. 2019, arXiv 1910.06764 (GTrXL).

    Deviations from the paper:
      Positions are rotary, not Transformer-XL's relative encoding. Gradients flow through the cache.
    """

    def __init__(
        self,
        num_inputs: int,
        size: int,
        *,
        num_layers: int = 1,
        num_heads: int = 4,
        window: int,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.output_size = size
        self.inputs = Linear(num_inputs, size, dtype=dtype, rngs=rngs)
        self.layers = nnx.List([_Layer(size, num_heads, window, dtype, rngs) for _ in range(num_layers)])
        self.norm = nnx.LayerNorm(size, rngs=rngs)

    def initial_memory(self) -> tuple[Cache, ...]:
        return tuple(layer.attention.initial_cache() for layer in self.layers)

    def __call__(self, memory: tuple[Cache, ...], x: jax.Array) -> tuple[tuple[Cache, ...], jax.Array]:
        x, caches = self.inputs(x).astype(jnp.float32), []
        for layer, cache in zip(self.layers, memory, strict=True):
            cache, seen = layer.attention(cache, layer.before(x))
            caches.append(cache)
            x = layer.after(x, seen)
        return tuple(caches), self.norm(x)

    def unroll(
        self, memory: tuple[Cache, ...], xs: jax.Array, resets: jax.Array | None = None
    ) -> tuple[tuple[Cache, ...], jax.Array]:
        x, caches = self.inputs(xs).astype(jnp.float32), []
        for layer, cache in zip(self.layers, memory, strict=True):
            cache, seen = layer.attention.unroll(cache, layer.before(x), resets)
            caches.append(cache)
            x = layer.after(x, seen)
        return tuple(caches), self.norm(x)


class _Layer(nnx.Module):
    """Attention and a perceptron, each after a layer norm and followed by a gate."""

    def __init__(self, size: int, num_heads: int, window: int, dtype: DTypeLike, rngs: nnx.Rngs):
        head = size // num_heads
        self.before = nnx.LayerNorm(size, rngs=rngs)
        self.attention = CausalAttention(
            size, num_heads=num_heads, key_size=head, value_size=head, window=window, rotary=True, dtype=dtype, rngs=rngs
        )
        self.mix = Linear(num_heads * head, size, dtype=dtype, rngs=rngs)
        self.norm = nnx.LayerNorm(size, rngs=rngs)
        self.widen = Linear(size, 4 * size, dtype=dtype, rngs=rngs)
        self.narrow = Linear(4 * size, size, dtype=dtype, rngs=rngs)
        self.gates = nnx.List([_Gate(size, dtype, rngs) for _ in range(2)])

    def after(self, x: jax.Array, seen: jax.Array) -> jax.Array:
        """Maps the residual stream [..., size] and the output of attention to the residual stream after this layer."""
        x = self.gates[0](x, jax.nn.relu(self.mix(seen)))
        wide = jax.nn.relu(self.widen(self.norm(x)))
        return self.gates[1](x, jax.nn.relu(self.narrow(wide)))


class _Gate(nnx.Module):
    """A GRU gate of the residual stream x and a layer's output y: (1 - z) x + z tanh(W y + U (r x)); z is initially small."""

    def __init__(self, size: int, dtype: DTypeLike, rngs: nnx.Rngs):
        self.of_contribution = Linear(size, 3 * size, use_bias=False, dtype=dtype, rngs=rngs)
        self.of_stream = Linear(size, 2 * size, use_bias=False, dtype=dtype, rngs=rngs)
        self.of_rest = Linear(size, size, use_bias=False, dtype=dtype, rngs=rngs)
        self.bias = nnx.Param(jnp.full(size, 2.0, jnp.float32))

    def __call__(self, x: jax.Array, y: jax.Array) -> jax.Array:
        a, b, c = jnp.split(self.of_contribution(y).astype(jnp.float32), 3, axis=-1)
        d, e = jnp.split(self.of_stream(x).astype(jnp.float32), 2, axis=-1)
        reset, update = jax.nn.sigmoid(a + d), jax.nn.sigmoid(b + e - for_features(self.bias[...], e))
        candidate = jnp.tanh(c + self.of_rest(reset * x).astype(jnp.float32))
        return (1.0 - update) * x + update * candidate
