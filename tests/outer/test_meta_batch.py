"""The meta-batch: its tasks are dealt to groups with all that belongs to them."""

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.outer.credit import Credit
from jmeta.outer.meta_batch import MetaBatch, over_axes, split_each, split_tasks, take_segments
from jmeta.types import Decision, Lifetime, Segment, Timestep

K, T, N, B = 2, 3, 4, 2  # segments, steps, tasks, streams


def batch() -> MetaBatch:
    """Every number of task i is i."""
    of_task = jnp.arange(float(N))
    steps = jnp.broadcast_to(of_task[:, None], (K, T, N, B))
    seen = steps[..., None]
    timestep = Timestep(seen, seen, steps, steps, seen)
    memory = jnp.broadcast_to(of_task[:, None], (K, N, B))  # where each segment begins, so without steps
    segments = Segment(Decision(steps, steps), timestep, seen, steps, steps, steps, seen, memory)
    lifetimes = Lifetime(segments, jnp.broadcast_to(of_task, (K - 1, N)))
    return MetaBatch(of_task, of_task, lifetimes, Credit(steps, steps, steps), steps)


def test_tasks_are_dealt_in_turn_with_all_that_belongs_to_them() -> None:
    """Two groups: tasks 0 and 2, and tasks 1 and 3."""
    groups = split_tasks(batch(), 2)
    for number, tasks in enumerate(([0.0, 2.0], [1.0, 3.0])):
        group = jax.tree.map(lambda x, number=number: x[number], groups)
        assert group.lifetimes.segments.reward.shape == (K, T, 2, B)
        assert group.lifetimes.segments.memory.shape == (K, 2, B)
        np.testing.assert_array_equal(group.tasks, tasks)
        np.testing.assert_array_equal(group.begin_keys, tasks)
        np.testing.assert_array_equal(group.lifetimes.adapt_keys, [tasks] * (K - 1))
        for leaf in jax.tree.leaves((group.lifetimes.segments.timestep.previous_reward, group.credit, group.behaviour)):
            np.testing.assert_array_equal(leaf, np.broadcast_to(np.array(tasks)[:, None], (K, T, 2, B)))
    whole = jax.tree.map(lambda x: x[0], split_tasks(batch(), 1))
    jax.tree.map(np.testing.assert_array_equal, whole, batch())


def test_a_record_has_the_log_probabilities_of_behaviour() -> None:
    made = batch()
    records = made._replace(behaviour=made.behaviour - 10.0).records
    np.testing.assert_array_equal(records.log_prob, made.behaviour - 10.0)
    np.testing.assert_array_equal(records.reward, made.behaviour)


def test_segments_are_taken_in_the_order_that_is_asked_for() -> None:
    x = jnp.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(take_segments({"x": x}, (2, 0))["x"], [[4.0, 5.0], [0.0, 1.0]])


def test_a_function_is_mapped_over_leading_axes() -> None:
    """The sum of each row of two, for axes [3] and [3, 1]."""
    x = jnp.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(over_axes(jnp.sum, 1)(x), [1.0, 5.0, 9.0])
    np.testing.assert_array_equal(over_axes(jnp.sum, 2)(x[:, None]), [[1.0], [5.0], [9.0]])


def test_each_key_is_split_into_two() -> None:
    keys = jax.random.split(jax.random.key(0), 3)
    one, other = map(jax.random.key_data, split_each(keys))
    expected = np.stack([jax.random.key_data(jax.random.split(key)) for key in keys])
    np.testing.assert_array_equal(one, expected[:, 0])
    np.testing.assert_array_equal(other, expected[:, 1])
