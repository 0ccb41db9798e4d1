"""An LSTM with an external memory of slots, written at every step and read by content (Santoro et al. 2016, arXiv 1605.06065)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from jmeta.networks.core import Core
from jmeta.networks.episodic_lstm import cosine
from jmeta.networks.linear import Linear
from jmeta.networks.recurrent import LSTM, LSTMMemory


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
