"""The compiled functions of an agent, and the sizes of their arguments."""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import export

KEY_IMPLEMENTATION = "threefry2x32"
"""Implementation of the random keys of an agent, whatever JAX's default is, so that a file acts alike everywhere."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """Sizes of an agent's arrays, and which of its experience it reads.

    Attributes:
      num_segments: K; the agent adapts K - 1 times, whenever a segment ends.
      segment_length: L, environment steps of each stream in a segment.
      num_streams: B, streams of a task.
      observation_size: length of the observation vector.
      encoding_size: length of an encoded action.
      recorded: names of the arrays of a step that the agent adapts to, so that they have to be recorded.
      reads_arrival: whether the agent reads the observation that an episode ends with when it acts.
    """

    num_segments: int
    segment_length: int
    num_streams: int
    observation_size: int
    encoding_size: int
    recorded: tuple[str, ...]
    reads_arrival: bool

    @property
    def reads_next_observation(self) -> bool:
        """Whether the agent reads the observation that follows an action, when it acts or when it adapts."""
        return self.reads_arrival or not {"next_observation", "timestep/arrival"}.isdisjoint(self.recorded)


class Programs(NamedTuple):
    """The exported functions of an agent, each for any number of tasks, or of streams, at once."""

    begin: export.Exported
    act: export.Exported
    adapt: export.Exported | None  # None if there is one segment only
    extend: export.Exported
    layout: Layout


class Acted(NamedTuple):
    """An action in one step of n streams, with the decision that it was drawn from and the memory after it."""

    action: jax.Array  # [n, ...]
    encoding: jax.Array  # [n, encoding_size]
    decision: dict[str, jax.Array]  # arrays [n, ...] of the decision by name
    memory: list[jax.Array]  # [n, ...]


class Compiled:
    """Programs with their meta-parameters on the device, compiled when they are first called with a number of rows."""

    def __init__(self, programs: Programs, theta: list[np.ndarray]) -> None:
        self.layout = programs.layout
        self._theta = jax.device_put(theta)
        named = {str(number): array for number, array in enumerate(theta)}
        self.fingerprint = np.frombuffer(hash_arrays(named).digest()[:16], np.uint8)  # tells meta-parameters apart
        self._adapt_program = programs.adapt
        self._begin, self._act, self._extend = (
            jax.jit(program.call) for program in (programs.begin, programs.act, programs.extend)
        )
        self._adapt = None if programs.adapt is None else jax.jit(programs.adapt.call)

    def begin(self, keys: np.ndarray) -> tuple[list[jax.Array], list[jax.Array], jax.Array, jax.Array]:
        """Returns phi [N, ...], memory [N, B, ...], act keys [N, L, B, 2] and the keys [N, K, 2] of later segments."""
        return self._begin(self._theta, keys)

    def act(self, phi: Any, memory: Any, timestep: dict[str, Any], keys: Any, greedy: np.bool_) -> Acted:
        """Acts in n streams."""
        return Acted(*self._act(self._theta, phi, memory, timestep, keys, greedy))

    def adapt(
        self, phi: Any, memory_before: Any, memory: Any, steps: dict[str, np.ndarray], keys: Any
    ) -> tuple[list[jax.Array], list[jax.Array], jax.Array]:
        """Returns phi and memory after a segment of steps [N, L, B, ...], and the act keys of the next one."""
        assert self._adapt is not None
        return self._adapt(self._theta, phi, memory_before, memory, steps, keys)

    def recorded_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Returns shape and dtype of the arrays of a step that the agent adapts to, by name."""
        if self._adapt_program is None:
            return {}
        positional, _ = jax.tree.unflatten(self._adapt_program.in_tree, self._adapt_program.in_avals)
        return {name: jax.ShapeDtypeStruct(x.shape[3:], x.dtype) for name, x in positional[4].items()}

    def extend(self, keys: Any, number: int) -> jax.Array:
        """Returns the act keys [N, L, B, 2] of a segment beyond the last one."""
        return self._extend(keys, np.int32(number))


def hash_arrays(arrays: Mapping[str, np.ndarray], begin: bytes = b"") -> "hashlib._Hash":
    """Returns the SHA-256 of ``begin``, and of the names, types and contents of arrays."""
    digest = hashlib.sha256(begin)
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode() + np.array(array, order="C").tobytes())
    return digest
