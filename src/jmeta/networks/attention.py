"""Causal attention with a bounded cache, and the gated transformer GTrXL (Parisotto et al. 2019, arXiv 1910.06764)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from jmeta.networks.core import Core, newest, positions
from jmeta.networks.linear import Linear, for_features


class Cache(NamedTuple):
    """Keys and values of the last W steps, and the number of steps. Step s is stored in slot s modulo W."""

    keys: jax.Array  # [W, heads, key_size]
    values: jax.Array  # [W, heads, value_size]
    num_steps: jax.Array  # [] int32, steps since the last reset


class CausalAttention(nnx.Module):
    """Causal attention: each step attends to itself and to earlier steps since the last reset, ``window`` steps in all.

        y_t = sum_s softmax_s(q_t . k_s / sqrt(key_size)) v_s

    Args:
      num_inputs: length of a step's input.
      num_heads: H.
      key_size: size of a head's keys and queries.
      value_size: size of a head's values.
      window: W, number of steps that are attended to; memory and the time of a step are proportional to it.
      rotary: whether to use rotary position embeddings, with which the product of key and query depends on the distance between
        their steps; key_size must be even.
      dtype: dtype of matrix products; keys, values and weights are always float32.

    References:
      Vaswani et al. 2017, arXiv 1706.03762. Rotary positions: Su et al. 2021, arXiv 2104.09864.
    """

    def __init__(
        self,
        num_inputs: int,
        *,
        num_heads: int,
        key_size: int,
        value_size: int,
        window: int,
        rotary: bool,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.sizes = (num_heads, key_size, value_size)
        self.window, self.rotary = window, rotary
        self.project = Linear(num_inputs, num_heads * (2 * key_size + value_size), dtype=dtype, rngs=rngs)

    def initial_cache(self) -> Cache:
        heads, key_size, value_size = self.sizes
        empty = lambda size: jnp.zeros((self.window, heads, size), jnp.float32)  # noqa: E731
        return Cache(empty(key_size), empty(value_size), jnp.zeros((), jnp.int32))

    def __call__(self, cache: Cache, x: jax.Array) -> tuple[Cache, jax.Array]:
        """Maps one step [num_inputs] to [H * value_size]."""
        query, key, value = self._project(x[None], cache.num_steps[None])
        slot = jnp.arange(self.window)
        here = cache.num_steps % self.window
        cache = Cache(cache.keys.at[here].set(key[0]), cache.values.at[here].set(value[0]), cache.num_steps + 1)
        seen = slot < cache.num_steps  # all slots, once they are full
        return cache, self._attend(query, cache.keys, cache.values, seen[None])[0]

    def unroll(self, cache: Cache, xs: jax.Array, resets: jax.Array | None) -> tuple[Cache, jax.Array]:
        """Maps a sequence [T, num_inputs] to [T, H * value_size]."""
        length, window = len(xs), self.window
        position, span = positions(cache.num_steps, length, resets)
        query, key, value = self._project(xs, position)
        step = jnp.arange(length)
        distance = step[:, None] - step[None]
        seen = (distance >= 0) & (distance < window) & (span[:, None] == span[None])
        age = (cache.num_steps - 1 - jnp.arange(window)) % window  # of a slot; the newest is 0
        before = (age < cache.num_steps)[None] & (step[:, None] + age[None] + 1 < window) & (span[:, None] == 0)
        keys, values = jnp.concatenate([cache.keys, key]), jnp.concatenate([cache.values, value])
        outputs = self._attend(query, keys, values, jnp.concatenate([before, seen], axis=1))

        num_steps, unbroken = position[-1] + 1, span[-1] == 0
        keys, values = (newest(*pair, num_steps, unbroken) for pair in ((cache.keys, key), (cache.values, value)))
        return Cache(keys, values, num_steps), outputs

    def _project(self, x: jax.Array, position: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Maps inputs [T, num_inputs] to queries, keys and values [T, H, ...]."""
        heads, key_size, value_size = self.sizes
        whole = self.project(x).astype(jnp.float32).reshape(len(x), heads, 2 * key_size + value_size)
        query, key, value = jnp.split(whole, [key_size, 2 * key_size], axis=-1)
        if self.rotary:
            query, key = turn(query, position), turn(key, position)
        return query, key, value

    def _attend(self, query: jax.Array, keys: jax.Array, values: jax.Array, seen: jax.Array) -> jax.Array:
        scores = jnp.einsum("thk,shk->hts", query, keys) / jnp.sqrt(jnp.float32(self.sizes[1]))
        seen = seen[None]  # alike for all heads
        weights = jax.nn.softmax(jnp.where(seen, scores, -1e9), axis=-1)
        return jnp.einsum("hts,shv->thv", weights, values).reshape(len(query), -1)


def turn(vectors: jax.Array, position: jax.Array) -> jax.Array:
    """Rotates pairs of coordinates of vectors [T, H, K] by position [T] times frequencies from 1 down to 1 / 10,000."""
    half = vectors.shape[-1] // 2
    frequency = 10_000.0 ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angle = position.astype(jnp.float32)[:, None, None] * frequency[None, None]
    a, b = vectors[..., :half], vectors[..., half:]
    return jnp.concatenate([a * jnp.cos(angle) - b * jnp.sin(angle), a * jnp.sin(angle) + b * jnp.cos(angle)], axis=-1)


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
