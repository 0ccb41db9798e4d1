"""Causal attention with a bounded cache (Vaswani et al. 2017, arXiv 1706.03762)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from jmeta.networks.core import newest, positions
from jmeta.networks.linear import Linear


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
