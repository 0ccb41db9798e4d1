"""Lives: the segments of a lifetime in one task, with adaptations between them."""

from typing import Generic, NamedTuple

import jax
import jax.numpy as jnp

from jmeta.inner.base import InnerLearner
from jmeta.lifetime.rollouts import new_episodes, rollout, start
from jmeta.tasks.base import TaskDistribution
from jmeta.types import AS_IN_TRAINING, Life, Lifetime, Memory, Phi, Protocol, PyTree, RolloutOptions, Segment, Task, Theta


def live(
    inner: InnerLearner[Theta, Phi, Memory],
    tasks: TaskDistribution,
    theta: Theta,
    life: Life[Phi, Memory],
    *,
    num_segments: int,
    length: int,
    key: jax.Array,
    options: RolloutOptions = AS_IN_TRAINING,
) -> tuple[Life[Phi, Memory], Lifetime]:
    """Rolls out ``num_segments`` segments and adapts between them; each segment starts with a new episode.

    There are ``num_segments - 1`` adaptations: none follows the last segment, since its result would not be used.

    Returns:
      The life after the last step, and the recorded lifetime [num_segments, length, B].
    """
    first_key, later_key = jax.random.split(key)
    life, segment = rollout(inner, tasks, theta, life, length=length, key=first_key, options=options)

    def adapt_and_continue(
        carry: tuple[Life[Phi, Memory], Segment], key: jax.Array
    ) -> tuple[tuple[Life[Phi, Memory], Segment], PyTree]:
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


class LifetimeKeys(NamedTuple):
    """Random keys of a lifetime in a given task."""

    begin: jax.Array  # of ``inner.begin``, which a replay of the whole lifetime repeats
    start: jax.Array  # of the first episodes
    live: jax.Array  # of all that follows

    @classmethod
    def of(cls, begin_key: jax.Array, live_key: jax.Array) -> "LifetimeKeys":
        """Returns the keys of a lifetime from one of its beginning and one of everything else."""
        return cls(begin_key, *jax.random.split(live_key))


class Lived(NamedTuple, Generic[Phi, Memory]):
    """A lifetime from its beginning to its end."""

    begun: tuple[Phi, Memory]  # phi and memory at its beginning
    life: Life[Phi, Memory]  # after its last step
    lifetime: Lifetime  # [K, T, B]


def live_in(
    inner: InnerLearner[Theta, Phi, Memory],
    tasks: TaskDistribution,
    theta: Theta,
    task: Task,
    keys: LifetimeKeys,
    *,
    protocol: Protocol,
    options: RolloutOptions = AS_IN_TRAINING,
) -> Lived[Phi, Memory]:
    """Begins a lifetime in ``task`` and rolls it out to its end."""
    num_segments, length, num_streams = protocol
    begun = inner.begin(theta, num_streams, keys.begin)
    life = start(tasks, task, begun, num_streams=num_streams, key=keys.start)
    life, lifetime = live(inner, tasks, theta, life, num_segments=num_segments, length=length, key=keys.live, options=options)
    return Lived(begun, life, lifetime)


def live_in_new_task(
    inner: InnerLearner[Theta, Phi, Memory],
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
    keys = LifetimeKeys.of(begin_key, live_key)
    return task, live_in(inner, tasks, theta, task, keys, protocol=protocol, options=options).lifetime
