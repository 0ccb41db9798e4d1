"""An LSTM that stores past cell states and finds them again by their inputs (Ritter et al. 2018, arXiv 1805.09692)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from jmeta.networks.core import Core
from jmeta.networks.linear import Linear
from jmeta.networks.recurrent import LSTM, LSTMMemory


class Episodes(NamedTuple):
    """Memory of an episodic LSTM: the LSTM's state, and W pairs of a key and a cell state."""

    controller: LSTMMemory
    keys: jax.Array  # [W, size]
    cells: jax.Array  # [W, size]
    num_steps: jax.Array  # [] int32, pairs written


class EpisodicLSTM(Core):
    """An LSTM that stores past cell states with keys of the inputs, and reinstates the cell states of similar inputs.

        c_t = (LSTM's cell) + sigmoid(R x + S h) * tanh(c_found),   c_found = sum_s softmax_s(sharpness * cos(k_t, k_s)) c_s

    where k = P x is a key of the input, and (k_t, c_t) is written after each step. The cell states of similar inputs, from any
    earlier episode, are added through a separate gate.

    Args:
      num_inputs: length of x.
      size: size of the cell and of a key.
      num_slots: W, number of newest pairs that are kept; with the length of a lifetime, all pairs are kept.
      dtype: dtype of the LSTM's matrix products.

    References:
      Ritter et al. 2018, arXiv 1805.09692 (episodic LSTM); the dictionary: Pritzel et al. 2017, arXiv 1703.01988.

    Deviations from the paper:
      A pair is written at each step, not at the end of an episode. Reading is a softmax over all pairs, not over the nearest
      ones, so that the policy's gradient trains the keys.
    """

    def __init__(self, num_inputs: int, size: int, *, num_slots: int, dtype: DTypeLike = jnp.float32, rngs: nnx.Rngs):
        self.output_size, self.num_slots = size, num_slots
        self.lstm = LSTM(num_inputs, size, dtype=dtype, rngs=rngs)
        self.key = Linear(num_inputs, size, rngs=rngs)
        self.reinstate = Linear(num_inputs + size, size, rngs=rngs)
        self.log_sharpness = nnx.Param(jnp.ones((), jnp.float32))

    def initial_memory(self) -> Episodes:
        empty = jnp.zeros((self.num_slots, self.output_size), jnp.float32)
        return Episodes(self.lstm.initial_memory(), empty, empty, jnp.zeros((), jnp.int32))

    def __call__(self, memory: Episodes, x: jax.Array) -> tuple[Episodes, jax.Array]:
        key, slot = self.key(x), jnp.arange(self.num_slots)
        closeness = jnp.exp(self.log_sharpness[...]) * cosine(key[None], memory.keys)[0]
        weights = jax.nn.softmax(jnp.where(slot < memory.num_steps, closeness, -1e9))
        found = jnp.where(memory.num_steps > 0, weights @ memory.cells, 0.0)

        _, hidden = memory.controller
        cell, _, show = self.lstm.step(memory.controller, x)
        gate = jax.nn.sigmoid(self.reinstate(jnp.concatenate([x, hidden])))
        cell = cell + gate * jnp.tanh(found)
        output = show * jnp.tanh(cell)

        here = (slot == memory.num_steps % self.num_slots)[:, None]
        keys, cells = jnp.where(here, key, memory.keys), jnp.where(here, cell, memory.cells)
        return Episodes((cell, output), keys, cells, memory.num_steps + 1), output


def cosine(keys: jax.Array, slots: jax.Array) -> jax.Array:
    """Returns the cosines [H, S] between keys [H, D] and slots [S, D]; 0 for an empty slot."""
    unit = lambda x: x * jax.lax.rsqrt(jnp.square(x).sum(-1, keepdims=True) + 1e-6)  # noqa: E731
    return unit(keys) @ unit(slots).T
