"""The recursion that computes Gittins indices, from the last pull of a lifetime back to the first."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

RATES_AT_ONCE = 8  # rates computed at once; the working set then fits into a core's cache
LAYERS_AT_ONCE = 64  # layers computed between two reductions of the lattice to the size that is still needed


@jax.ensure_compile_time_eval()  # so that learners can be made inside a trace
def compute_table(num_pulls: int, num_rates: int) -> np.ndarray:
    """Returns the packed table of ``gittins_table``."""
    grid = np.sin(np.linspace(0.0, np.pi / 2.0, num_rates + 1)) ** 2
    blocks = np.arange(0, num_rates, RATES_AT_ONCE)[:, None] + np.arange(RATES_AT_ONCE + 1)  # neighbouring blocks share a rate
    rates = jnp.asarray(grid[blocks], jnp.float32)
    size = num_pulls  # the states of each layer depend on those with one pull more
    gains = jnp.zeros((*rates.shape, size + 1, size + 1), jnp.float32)
    table = np.empty(num_pulls * (num_pulls + 1) * (num_pulls + 2) // 6, np.float32)
    while size > 0:
        length = min(LAYERS_AT_ONCE, size)
        gains, layers = _solve(gains, rates, length=length)
        for layer in np.asarray(layers):
            start = (size - 1) * size * (size + 1) // 6
            table[start : start + size * (size + 1) // 2] = layer[np.tril_indices(size)]
            size -= 1
        gains = gains[..., : size + 1, : size + 1]
    return table


@partial(jax.jit, static_argnames="length")
def _solve(gains: jax.Array, rates: jax.Array, *, length: int) -> tuple[jax.Array, jax.Array]:
    """Goes back by ``length`` more pulls: returns gains [blocks, rates, n, s] and indices [length, n, s]."""
    size = gains.shape[-1]
    n, s = jnp.arange(size)[:, None], jnp.arange(size)
    p = (1.0 + s) / (2.0 + n)

    def block(indices: jax.Array, block: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        gains, rates = block
        widths = jnp.diff(rates)

        def pull(gains: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
            later = jnp.pad(gains, ((0, 0), (0, 1), (0, 1)))
            net = p - rates[:, None, None] + p * later[:, 1:, 1:] + (1.0 - p) * later[:, 1:, :-1]
            here, next_rate = jnp.maximum(net[:-1], 0.0), net[1:]
            below_index = jnp.where(next_rate > 0.0, 1.0, here / jnp.maximum(here - next_rate, 1e-30))  # part of the interval
            return jnp.maximum(net, 0.0), jnp.tensordot(widths, below_index, 1, precision="highest")

        gains, part = jax.lax.scan(pull, gains, None, length=length)
        return indices + part, gains

    indices, gains = jax.lax.scan(block, jnp.zeros((length, size, size), jnp.float32), (gains, rates))
    return gains, indices
