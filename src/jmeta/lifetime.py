"""Live and replay: an inner learner in one task, as it happens and as it would decide again.

``live`` lets an inner learner act and adapt and records what happened; no gradient flows.
``replay`` runs it again on the record under a *differentiable* theta. MAML's meta-gradient and RL²'s backpropagation through
time are both the derivative of a replay.

Everything here is one task; callers ``vmap`` over tasks.
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
    """``vmap`` over the streams of a task. A single stream keeps no axis for itself inside.

    Above this there is a ``vmap`` over tasks, and XLA multiplies matrices under one batch axis 1.6 times as fast as under
    two, the second of size 1.

    Args:
      function: of one stream; takes and returns as many trees as there are axes given.
      in_axes: where the stream axis lies in each argument.
      out_axes: where it shall lie in each result.
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
    """Opens a lifetime: a fresh episode in each of ``num_streams`` streams.

    Args:
      tasks: where.
      task: which one.
      begun: what the agent begins with, ``inner.begin(theta, num_streams, key)``; a replay begins with the same.
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
    """The same life with every stream at the beginning of an episode; memory and what is told of the last step are kept."""
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
    """Acts for ``length`` steps in every stream, starting episodes anew where they end.

    The task is held, phi is held, and memory runs on across episodes: an episode boundary is not a lifetime boundary.

    An episode of ``tasks.horizon`` steps is truncated if the environment has not ended it. So a stream that begins an episode
    completes at least ``length // tasks.horizon`` of them, whatever the environment does.

    Returns:
      The life after the last step, and the segment [length, B] it went through.
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
    """The most likely action of a discrete distribution; the mean of a continuous one, in the units of its samples."""
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
    """Lives ``num_segments`` segments, adapting between them; each segment opens with a new episode.

    There are ``num_segments - 1`` adaptations: none follows the last segment, since nothing is done with it.

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
    """A whole lifetime in ``task``, from ``start`` on."""
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
    """A whole lifetime from the opening on, in a task drawn for it, or in a given one.

    The same key draws the same task, whatever the agent.
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
    """The decisions that the inner learner would make under ``theta`` on recorded data.

    Redoes every adaptation from ``start`` on, so the result is differentiable in theta through the inner updates, the
    initial phi and memory, and the memory's course along time.

    Args:
      theta: meta-parameters, usually those being differentiated.
      start: where to begin: a fresh ``inner.begin(theta, ...)`` for whole lifetimes, or a recorded ``(phi, memory)`` to cut
        the gradient there. Never guessed, since the two differ in their derivative.
      lifetime: what happened, [K, T, B].
      segments: which segments' decisions are wanted, in ascending order, all by default; what they do not need is not computed.
      rematerialise: compute each adaptation again when it is differentiated, rather than keep what it computed.
      stream_chunks: decide again for that many groups of streams one after the other, and again when it is differentiated;
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
