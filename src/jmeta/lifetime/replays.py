"""Replays: the decisions of a recorded lifetime, differentiable in theta."""

from functools import partial

import jax
import jax.numpy as jnp

from jmeta.axes import merge_axis, split_axis
from jmeta.inner.base import InnerLearner
from jmeta.lifetime.streams import over_streams
from jmeta.types import Decision, Lifetime, Memory, Phi, PyTree, Segment, Theta


def replay(
    inner: InnerLearner[Theta, Phi, Memory],
    theta: Theta,
    start: tuple[Phi, Memory],
    lifetime: Lifetime,
    *,
    segments: tuple[int, ...] | None = None,
    rematerialise: bool = False,
    stream_chunks: int = 1,
) -> Decision:
    """Returns the decisions that the inner learner would make under ``theta`` on recorded data.

    Repeats every adaptation from ``start`` on, so the result is differentiable in theta through the inner updates, the
    initial phi and memory, and the recurrence of the memory.

    Args:
      theta: meta-parameters, usually those being differentiated.
      start: initial phi and memory: a new ``inner.begin(theta, ...)`` for whole lifetimes, or a recorded ``(phi, memory)`` to
        stop the gradient there. There is no default, since the two differ in their derivative.
      lifetime: the recorded lifetime, [K, T, B].
      segments: segments whose decisions are returned, in ascending order, all by default; later segments are not replayed.
      rematerialise: recompute each adaptation in the backward pass instead of storing its intermediate values.
      stream_chunks: number of groups of streams that are replayed one after the other, and recomputed in the backward pass;
        bounds memory.

    Returns:
      Decisions [len(segments), T, B].
    """
    num_segments = lifetime.segments.reward.shape[0]
    wanted = tuple(range(num_segments)) if segments is None else segments
    *earlier, last = wanted
    adapt = jax.checkpoint(inner.adapt) if rematerialise else inner.adapt

    def unroll(phi: Phi, memory: Memory, segment: Segment) -> tuple[Decision, Memory]:
        streams = over_streams(partial(inner.unroll, theta, phi), in_axes=(0, 1), out_axes=(1, 0))
        if stream_chunks == 1:
            return streams(memory, segment.timestep)
        chunks = split_axis(memory, 0, stream_chunks), split_axis(segment.timestep, 1, stream_chunks)
        decision, memory = jax.lax.map(jax.checkpoint(lambda chunk: streams(*chunk)), chunks)
        return merge_axis(decision, 1), merge_axis(memory, 0)

    def redo(carry: tuple[Phi, Memory], record: tuple[Segment, jax.Array]) -> tuple[tuple[Phi, Memory], PyTree]:
        phi, memory = carry
        segment, key = record
        decision, memory = unroll(phi, memory, segment)
        return adapt(theta, phi, memory, segment, key), decision if earlier else ()

    before = jax.tree.map(lambda x: x[:last], lifetime.segments)
    (phi, memory), decisions = jax.lax.scan(redo, start, (before, lifetime.adapt_keys[:last]))
    decision, _ = unroll(phi, memory, jax.tree.map(lambda x: x[last], lifetime.segments))
    if not earlier:
        return jax.tree.map(lambda one: one[None], decision)
    if earlier != list(range(last)):
        decisions = jax.tree.map(lambda x: x[jnp.asarray(earlier)], decisions)
    return jax.tree.map(lambda rest, one: jnp.concatenate([rest, one[None]]), decisions, decision)
