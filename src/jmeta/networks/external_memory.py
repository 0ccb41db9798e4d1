"""Recurrent cores with an external memory, which is written at every step and read by content."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from jmeta.networks.core import Core
from jmeta.networks.linear import Linear
from jmeta.networks.recurrent import LSTM

LSTMMemory = tuple[jax.Array, jax.Array]


class Tape(NamedTuple):
    """Memory of a MANN: the state of its controller, S slots, and the usage of the slots by H heads."""

    controller: LSTMMemory
    slots: jax.Array  # [S, slot_size]
    usage: jax.Array  # [S]
    read: jax.Array  # [H, S], read weights of the last step
    found: jax.Array  # [H * slot_size], content read at the last step


class MANN(Core):
    """An LSTM with a memory of slots, read by content and written to the least recently used slots.

    At each step the inputs of the controller are x and the content read at the previous step. Each of H heads makes a key k; then

        read     r = softmax(sharpness * cos(k, M)),                found = r M,
        write    w = sigmoid(a) r_{t-1} + (1 - sigmoid(a)) l,       M = M with the least used slots wiped, + w k,
        usage    u = decay u_{t-1} + sum of r + sum of w,

    where l marks the H least used slots, one for each head. A key is thus written to a slot that was not used for long, or to
    the slots read last, to update them. The output is the hidden state of the controller and the content read at this step.

    Args:
      num_inputs: length of x.
      size: size of the controller's state, and of a slot.
      num_slots: S, more than num_heads.
      num_heads: H.
      decay: decay factor of usage, gamma of the paper.
      dtype: dtype of the controller's matrix products.

    References:
      Santoro et al. 2016, arXiv 1605.06065.

    Deviations from the paper:
      A step reads before it writes; otherwise its key would find the content that it has just written. The sharpness of the
      softmax is learned, as in the neural Turing machine (Graves et al. 2014, arXiv 1410.5401).
    """

    def __init__(
        self,
        num_inputs: int,
        size: int,
        *,
        num_slots: int,
        num_heads: int = 4,
        decay: float = 0.95,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.num_slots, self.num_heads, self.decay = num_slots, num_heads, decay
        self.size = size
        self.output_size = size + num_heads * size
        self.controller = LSTM(num_inputs + num_heads * size, size, dtype=dtype, rngs=rngs)
        self.key = Linear(size, num_heads * size, rngs=rngs)
        self.write_gate = Linear(size, num_heads, rngs=rngs)
        self.log_sharpness = nnx.Param(jnp.zeros(num_heads, jnp.float32))

    def initial_memory(self) -> Tape:
        heads, slots, size = self.num_heads, self.num_slots, self.size
        # Initial usages differ slightly, so that the H least used slots are well defined from the first step on.
        return Tape(
            self.controller.initial_memory(),
            jnp.zeros((slots, size), jnp.float32),
            1e-6 * jnp.arange(slots, dtype=jnp.float32),
            jnp.zeros((heads, slots), jnp.float32),
            jnp.zeros(heads * size, jnp.float32),
        )

    def __call__(self, memory: Tape, x: jax.Array) -> tuple[Tape, jax.Array]:
        controller, hidden = self.controller(memory.controller, jnp.concatenate([x, memory.found]))
        keys = jnp.tanh(self.key(hidden)).reshape(self.num_heads, self.size)

        closeness = jnp.exp(self.log_sharpness[...])[:, None] * cosine(keys, memory.slots)
        read = jax.nn.softmax(closeness, axis=-1)
        found = (read @ memory.slots).reshape(-1)

        _, stale = jax.lax.top_k(-memory.usage, self.num_heads)
        least_used = jax.nn.one_hot(stale, self.num_slots, dtype=jnp.float32)  # [H, S]
        gate = jax.nn.sigmoid(self.write_gate(hidden))[:, None]
        write = gate * memory.read + (1.0 - gate) * least_used
        slots = memory.slots * (1.0 - least_used.sum(0))[:, None] + write.T @ keys

        usage = self.decay * memory.usage + read.sum(0) + write.sum(0)
        return Tape(controller, slots, usage, read, found), jnp.concatenate([hidden, found])


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
