"""Lives: the segments of a lifetime in one task, with adaptations between them."""

from typing import Generic, NamedTuple

import jax
import jax.numpy as jnp

from jmeta.inner.base import InnerLearner
from jmeta.lifetime.keys import BetweenSegments, LifetimeKeys, TaskKeys, segment_keys
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
    first_key, later_keys = segment_keys(key, num_segments)
    life, segment = rollout(inner, tasks, theta, life, length=length, key=first_key, options=options)

    def adapt_and_continue(
        carry: tuple[Life[Phi, Memory], Segment], key: jax.Array
    ) -> tuple[tuple[Life[Phi, Memory], Segment], PyTree]:
        life, segment = carry
        keys = BetweenSegments.of(key)
        phi, memory = inner.adapt(theta, life.phi, life.memory, segment, keys.adapt)
        life = new_episodes(tasks, life._replace(phi=phi, memory=memory), key=keys.episode)
        life, segment = rollout(inner, tasks, theta, life, length=length, key=keys.rollout, options=options)
        return (life, segment), (segment, keys.adapt)

    (life, _), (later, adapt_keys) = jax.lax.scan(adapt_and_continue, (life, segment), later_keys)
    segments = jax.tree.map(lambda one, rest: jnp.concatenate([one[None], rest]), segment, later)
    return life, Lifetime(segments, adapt_keys)


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
    keys = TaskKeys.of(key)
    task = tasks.sample(keys.task) if given is None else given
    return task, live_in(inner, tasks, theta, task, keys.lifetime, protocol=protocol, options=options).lifetime
