"""Lifetimes of an inner learner in one task: rollouts and differentiable replays.

``live`` rolls out an inner learner, adapts it between segments and records the steps; no gradient flows.
``replay`` runs it again on the record under a *differentiable* theta. MAML's meta-gradient and RL²'s backpropagation through
time are both the derivative of a replay.

Every function takes one task; callers ``vmap`` over tasks.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from numpyro.distributions import Distribution

from jmeta.inner.base import InnerLearner
from jmeta.parallel import merge_axis, split_axis
from jmeta.tasks.base import TaskDistribution
from jmeta.types import (
    AS_IN_TRAINING,
    Decision,
    Life,
    Lifetime,
    Memory,
    Phi,
    Protocol,
    PyTree,
    RolloutOptions,
    Segment,
    Task,
    Theta,
    Timestep,
)


def over_streams(
    function: Callable[..., Any], in_axes: tuple[int, ...] = (0, 0), out_axes: tuple[int, ...] = (0, 0)
) -> Callable[..., Any]:
    """Applies ``vmap`` over the streams of a task; a single stream is passed without a stream axis.

    Callers also ``vmap`` over tasks, and XLA multiplies matrices with one batch axis 1.6 times as fast as with a second one of
    size 1.

    Args:
      function: function of one stream; takes as many trees as ``in_axes`` has entries and returns as many as ``out_axes``.
      in_axes: stream axis of each argument.
      out_axes: stream axis of each result.
    """

    def mapped(*args: PyTree) -> PyTree:
        if jax.tree.leaves(args[-1])[0].shape[in_axes[-1]] > 1:
            return jax.vmap(function, in_axes, out_axes)(*args)
        alone = (jax.tree.map(partial(jnp.squeeze, axis=axis), arg) for arg, axis in zip(args, in_axes, strict=True))
        results = function(*alone)
        return tuple(
            jax.tree.map(partial(jnp.expand_dims, axis=axis), result) for result, axis in zip(results, out_axes, strict=True)
        )

    return mapped


def start(tasks: TaskDistribution, task: Task, begun: tuple[Phi, Memory], *, num_streams: int, key: jax.Array) -> Life:
    """Starts a lifetime: a new episode in each of ``num_streams`` streams.

    Args:
      tasks: task distribution.
      task: the task.
      begun: initial phi and memory, ``inner.begin(theta, num_streams, key)``; a replay starts from the same.
      num_streams: parallel streams B.
      key: consumed.
    """
    phi, memory = begun
    observation, state = jax.vmap(tasks.reset, in_axes=(None, 0))(task, jax.random.split(key, num_streams))
    timestep = Timestep(
        observation=observation,
        previous_action=jnp.zeros((num_streams, tasks.action_space.encoding_size), jnp.float32),
        previous_reward=jnp.zeros(num_streams, jnp.float32),
        first=jnp.ones(num_streams, bool),
        arrival=observation,
    )
    return Life(task, phi, memory, state, timestep, time=jnp.zeros(num_streams, jnp.int32))


def new_episodes(tasks: TaskDistribution, life: Life, *, key: jax.Array) -> Life:
    """Starts a new episode in every stream; keeps memory and the previous action, reward and arrival."""
    keys = jax.random.split(key, life.timestep.first.shape[0])
    observation, state = jax.vmap(tasks.restart, in_axes=(None, 0, 0))(life.task, life.state, keys)
    timestep = life.timestep._replace(observation=observation, first=jnp.ones_like(life.timestep.first))
    return life._replace(state=state, timestep=timestep, time=jnp.zeros_like(life.time))


def rollout(
    inner: InnerLearner,
    tasks: TaskDistribution,
    theta: Theta,
    life: Life,
    *,
    length: int,
    key: jax.Array,
    options: RolloutOptions = AS_IN_TRAINING,
) -> tuple[Life, Segment]:
    """Acts for ``length`` steps in every stream; where an episode ends, a new one starts.

    The task and phi are constant, and memory is not reset between episodes: an episode boundary is not a lifetime boundary.

    An episode of ``tasks.horizon`` steps is truncated if the environment has not ended it. So a stream that starts with a new
    episode completes at least ``length // tasks.horizon`` episodes.

    Returns:
      The life after the last step, and the recorded segment [length, B].
    """
    num_streams = life.timestep.first.shape[0]

    def choose(distribution: Distribution, key: jax.Array, greedy: jax.Array | None) -> jax.Array:
        if options.greedy >= num_streams:
            return most_likely(distribution)
        sample = distribution.sample(key)
        return sample if greedy is None else jnp.where(greedy, most_likely(distribution), sample)

    def stream_step(carry: PyTree, inputs: tuple[jax.Array, jax.Array | None]) -> tuple[PyTree, PyTree]:
        key, greedy = inputs
        memory, state, timestep, time = carry
        act_key, step_key, reset_key = jax.random.split(key, 3)
        decision, memory = inner.act(theta, life.phi, memory, timestep)
        action = _single(choose(decision.distribution, act_key, greedy))
        after = tasks.step(life.task, state, action, step_key)
        time = time + 1
        truncated = after.truncated | (time >= tasks.horizon) & ~after.terminated
        done = after.terminated | truncated
        observation, state = jax.tree.map(
            lambda fresh, running: jnp.where(done, fresh, running),
            tasks.restart(life.task, after.state, reset_key),
            (after.observation, after.state),
        )
        following = Timestep(observation, tasks.action_space.encode(action), after.reward, done, after.observation)
        decision = decision._replace(extras=())  # a replay makes them again
        record = Segment(timestep, decision, action, after.reward, after.terminated, truncated, after.observation, memory=())
        record = record._replace(info=after.info) if options.keep_info else record
        return (memory, state, following, jnp.where(done, 0, time)), record

    step = over_streams(stream_step)
    carry = (life.memory, life.state, life.timestep, life.time)
    some = 0 < options.greedy < num_streams
    greedy = jnp.broadcast_to(jnp.arange(num_streams) < options.greedy, (length, num_streams)) if some else None
    keys = jax.random.split(key, (length, num_streams))
    (memory, state, timestep, time), record = jax.lax.scan(step, carry, (keys, greedy))
    segment = record._replace(memory=life.memory)
    return life._replace(memory=memory, state=state, timestep=timestep, time=time), segment


def most_likely(distribution: Distribution) -> jax.Array:
    """Returns the most likely action of a discrete distribution, or the mean of a continuous one in the units of its samples."""
    if distribution.support.is_discrete:
        return jnp.argmax(distribution.logits, axis=-1)
    return distribution.mean


def live(
    inner: InnerLearner,
    tasks: TaskDistribution,
    theta: Theta,
    life: Life,
    *,
    num_segments: int,
    length: int,
    key: jax.Array,
    options: RolloutOptions = AS_IN_TRAINING,
) -> tuple[Life, Lifetime]:
    """Rolls out ``num_segments`` segments and adapts between them; each segment starts with a new episode.

    There are ``num_segments - 1`` adaptations: none follows the last segment, since its result would not be used.

    Returns:
      The life after the last step, and the recorded lifetime [num_segments, length, B].
    """
    first_key, later_key = jax.random.split(key)
    life, segment = rollout(inner, tasks, theta, life, length=length, key=first_key, options=options)

    def adapt_and_continue(carry: tuple[Life, Segment], key: jax.Array) -> tuple[tuple[Life, Segment], PyTree]:
        life, segment = carry
        adapt_key, episode_key, rollout_key = jax.random.split(key, 3)
        phi, memory = inner.adapt(theta, life.phi, life.memory, segment, adapt_key)
        life = new_episodes(tasks, life._replace(phi=phi, memory=memory), key=episode_key)
        life, segment = rollout(inner, tasks, theta, life, length=length, key=rollout_key, options=options)
        return (life, segment), (segment, adapt_key)

    keys = jax.random.split(later_key, num_segments - 1)
    (life, _), (later, adapt_keys) = jax.lax.scan(adapt_and_continue, (life, segment), keys)
    segments = jax.tree.map(lambda one, rest: jnp.concatenate([one[None], rest]), segment, later)
    return life, Lifetime(segments, adapt_keys)


def live_in(
    inner: InnerLearner,
    tasks: TaskDistribution,
    theta: Theta,
    task: Task,
    begun: tuple[Phi, Memory],
    *,
    protocol: Protocol,
    key: jax.Array,
    options: RolloutOptions = AS_IN_TRAINING,
) -> Lifetime:
    """Rolls out a whole lifetime in ``task``, beginning with ``start``."""
    start_key, live_key = jax.random.split(key)
    life = start(tasks, task, begun, num_streams=protocol.num_streams, key=start_key)
    _, lifetime = live(
        inner,
        tasks,
        theta,
        life,
        num_segments=protocol.num_segments,
        length=protocol.segment_length,
        key=live_key,
        options=options,
    )
    return lifetime


def live_in_new_task(
    inner: InnerLearner,
    tasks: TaskDistribution,
    theta: Theta,
    key: jax.Array,
    *,
    protocol: Protocol,
    given: Task | None = None,
    options: RolloutOptions = AS_IN_TRAINING,
) -> tuple[Task, Lifetime]:
    """Rolls out a whole lifetime in a task that is drawn for it, or in a given one.

    The same key draws the same task for every agent.
    """
    task_key, begin_key, live_key = jax.random.split(key, 3)
    task = tasks.sample(task_key) if given is None else given
    begun = inner.begin(theta, protocol.num_streams, begin_key)
    return task, live_in(inner, tasks, theta, task, begun, protocol=protocol, key=live_key, options=options)


def replay(
    inner: InnerLearner,
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


def _single(action: jax.Array) -> jax.Array:
    """Returns an action in single precision unless it is an integer; distributions draw in double under ``jax_enable_x64``."""
    return action.astype(jnp.float32) if jnp.issubdtype(action.dtype, jnp.floating) else action
