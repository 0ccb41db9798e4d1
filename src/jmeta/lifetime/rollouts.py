"""Rollouts: the steps of a segment in one task."""

import dataclasses

import jax
import jax.numpy as jnp
from numpyro.distributions import Distribution

from jmeta.inner.base import InnerLearner
from jmeta.lifetime.keys import StepKeys, step_keys
from jmeta.lifetime.streams import over_streams
from jmeta.networks import MultiCategorical
from jmeta.tasks.base import TaskDistribution
from jmeta.types import AS_IN_TRAINING, Life, Memory, Phi, PyTree, RolloutOptions, Segment, Task, Theta, Timestep


def start(
    tasks: TaskDistribution, task: Task, begun: tuple[Phi, Memory], *, num_streams: int, key: jax.Array
) -> Life[Phi, Memory]:
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


def new_episodes(tasks: TaskDistribution, life: Life[Phi, Memory], *, key: jax.Array) -> Life[Phi, Memory]:
    """Starts a new episode in every stream; keeps memory and the previous action, reward and arrival."""
    keys = jax.random.split(key, life.timestep.first.shape[0])
    observation, state = jax.vmap(tasks.restart, in_axes=(None, 0, 0))(life.task, life.state, keys)
    timestep = life.timestep._replace(observation=observation, first=jnp.ones_like(life.timestep.first))
    return life._replace(state=state, timestep=timestep, time=jnp.zeros_like(life.time))


def rollout(
    inner: InnerLearner[Theta, Phi, Memory],
    tasks: TaskDistribution,
    theta: Theta,
    life: Life[Phi, Memory],
    *,
    length: int,
    key: jax.Array,
    options: RolloutOptions = AS_IN_TRAINING,
) -> tuple[Life[Phi, Memory], Segment]:
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
        keys = StepKeys.of(key)
        decision, memory = inner.act(theta, life.phi, memory, timestep)
        action = single_precision(choose(decision.distribution, keys.act, greedy))
        after = tasks.step(life.task, state, action, keys.step)
        time = time + 1
        truncated = after.truncated | (time >= tasks.horizon) & ~after.terminated
        done = after.terminated | truncated
        observation, state = jax.tree.map(
            lambda fresh, running: jnp.where(done, fresh, running),
            tasks.restart(life.task, after.state, keys.reset),
            (after.observation, after.state),
        )
        following = Timestep(observation, tasks.action_space.encode(action), after.reward, done, after.observation)
        record = Segment(
            timestep=timestep,
            action=action,
            reward=after.reward,
            terminated=after.terminated,
            truncated=truncated,
            next_observation=after.observation,
            decision=decision._replace(extras=()),  # a replay makes them again
            memory=(),
            info=after.info if options.keep_info else (),
        )
        return (memory, state, following, jnp.where(done, 0, time)), record

    step = over_streams(stream_step)
    carry = (life.memory, life.state, life.timestep, life.time)
    some = 0 < options.greedy < num_streams
    greedy = jnp.broadcast_to(jnp.arange(num_streams) < options.greedy, (length, num_streams)) if some else None
    keys = step_keys(key, length, num_streams)
    (memory, state, timestep, time), record = jax.lax.scan(step, carry, (keys, greedy))
    segment = dataclasses.replace(record, memory=life.memory)
    return life._replace(memory=memory, state=state, timestep=timestep, time=time), segment


def most_likely(distribution: Distribution) -> jax.Array:
    """Returns the most likely action of a discrete distribution, or the mean of a continuous one in the units of its samples."""
    if isinstance(distribution, MultiCategorical):
        return distribution.mode
    if distribution.support.is_discrete:
        return jnp.argmax(distribution.logits, axis=-1)
    return distribution.mean


def single_precision(action: jax.Array) -> jax.Array:
    """Returns an action in single precision unless it is an integer; distributions draw in double under ``jax_enable_x64``."""
    return action.astype(jnp.float32) if jnp.issubdtype(action.dtype, jnp.floating) else action
