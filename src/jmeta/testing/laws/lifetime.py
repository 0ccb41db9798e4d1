"""Laws of a lifetime: what it begins with, what it keeps across episodes, and what the agent is told."""

from functools import partial

import chex
import jax
import numpy as np

from jmeta.lifetime import live, new_episodes, rollout, start
from jmeta.outer.meta_batch import over_axes
from jmeta.testing.cases import LearnerCase, law_key
from jmeta.types import Life


def adapt_keeps_structure_shapes_and_dtypes(case: LearnerCase) -> None:
    """``adapt`` returns phi and memory of the types that it was given, and ``init`` returns no weak types."""
    phi, memory = case.inner.begin(case.theta, case.outer.protocol.num_streams, law_key())
    segment = jax.tree.map(lambda x: x[0], case.lived[1].segments)
    adapted = jax.eval_shape(case.inner.adapt, case.theta, phi, memory, segment, law_key())
    chex.assert_trees_all_equal_shapes_and_dtypes(adapted, jax.eval_shape(lambda: (phi, memory)))
    weak = jax.tree.map(lambda x: x.weak_type, jax.eval_shape(case.inner.init, law_key()))
    assert not any(jax.tree.leaves(weak)), "init returns weak types, so a second outer step would be traced again"


def a_lifetime_begins_afresh_and_an_episode_does_not(case: LearnerCase) -> None:
    """``begin`` forgets the task before; the beginning of an episode keeps phi and memory."""
    inner, tasks, theta = case.inner, case.tasks, case.theta
    task = tasks.sample(law_key())
    streams = case.outer.protocol.num_streams
    begun = inner.begin(theta, streams, law_key())
    life = start(tasks, task, begun, num_streams=streams, key=law_key())
    chex.assert_trees_all_equal((life.phi, life.memory), begun)
    assert bool(life.timestep.first.all()), "a lifetime did not begin with an episode"
    assert not np.any(life.timestep.previous_action), "there was an action before the first"
    assert not np.any(life.timestep.previous_reward), "there was a reward before the first action"

    @jax.jit
    def live_on(life: Life) -> tuple[Life, Life]:
        later, segment = rollout(inner, tasks, theta, life, length=3 * tasks.horizon, key=law_key())
        phi, memory = inner.adapt(theta, later.phi, later.memory, segment, law_key())
        learned = later._replace(phi=phi, memory=memory)
        return learned, new_episodes(tasks, learned, key=law_key())

    learned, anew = live_on(life)
    phi, memory = learned.phi, learned.memory
    chex.assert_trees_all_equal((anew.phi, anew.memory, anew.task), (phi, memory, task))
    assert bool(anew.timestep.first.all()), "the new episodes do not say that they begin"
    changed = jax.tree.map(lambda a, b: bool(np.any(np.asarray(a) != np.asarray(b))), (phi, memory), begun)
    keeps_something = bool(jax.tree.leaves(begun))  # a fixed policy does not
    assert any(jax.tree.leaves(changed)) == keeps_something, "three episodes and an adaptation left no trace in phi or memory"
    chex.assert_trees_all_equal(inner.begin(theta, streams, law_key()), begun)


def what_the_agent_is_told(case: LearnerCase) -> None:
    """Previous action and reward are those of the step before, across episodes; ``first`` marks episodes; a segment opens one."""
    same = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)  # a program may compute one number twice, in other orders
    segments = case.lived[1].segments
    done = segments.terminated | segments.truncated
    encoded = over_axes(case.tasks.action_space.encode, 3)
    told = segments.timestep
    same(told.previous_action[:, 1:], encoded(segments.action)[:, :-1])
    same(told.previous_reward[:, 1:], segments.reward[:, :-1])
    np.testing.assert_array_equal(told.first[:, 1:], done[:, :-1])
    same(told.arrival[:, 1:], segments.next_observation[:, :-1])
    same(told.arrival[1:, 0], segments.next_observation[:-1, -1])
    same(told.arrival[0, 0], told.observation[0, 0])
    assert bool(told.first[:, 0].all()), "a segment did not begin with an episode"
    same(told.previous_reward[1:, 0], segments.reward[:-1, -1])
    running = ~done[:, :-1, :, None]
    same(np.where(running, told.observation[:, 1:], 0.0), np.where(running, segments.next_observation[:, :-1], 0.0))


def a_lifetime_lived_in_pieces_is_the_lifetime_lived_at_once(case: LearnerCase) -> None:
    """Stopping between rollouts, as persistent lifetimes do, loses nothing."""
    inner, tasks, theta = case.inner, case.tasks, case.theta
    life = start(tasks, tasks.sample(law_key()), inner.begin(theta, 2, law_key()), num_streams=2, key=law_key())
    length = 2 * tasks.horizon
    at_once, whole = jax.jit(partial(live, inner, tasks, num_segments=1, length=length, key=law_key()))(theta, life)
    rollout_key, _ = jax.random.split(law_key())
    directly, segment = jax.jit(partial(rollout, inner, tasks, length=length, key=rollout_key))(theta, life)
    chex.assert_trees_all_close(at_once, directly, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(jax.tree.map(lambda x: x[0], whole.segments), segment, rtol=1e-5, atol=1e-6)
