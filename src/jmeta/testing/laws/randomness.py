"""Laws of randomness: all of it comes from keys, each key is used once, and tasks know nothing of each other."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np

from jmeta.testing.cases import LearnerCase, law_key
from jmeta.types import TASK_AXES


def tasks_together_equal_tasks_one_by_one(case: LearnerCase) -> None:
    """``vmap`` over tasks gives each task the lifetime that it has alone."""
    keys = jax.random.split(law_key(), 3)
    single = jax.jit(lambda key: case.live(case.theta, key)[1])
    together = jax.jit(jax.vmap(lambda key: case.live(case.theta, key)[1], out_axes=TASK_AXES))(keys)
    for index in range(3):
        alone = single(keys[index])
        one = jax.tree.map(lambda x, task=index: np.asarray(x)[:, :, task], dataclasses.replace(together.segments, memory=()))
        chex.assert_trees_all_close(one, dataclasses.replace(alone.segments, memory=()), atol=2e-5)


def permuting_tasks_permutes_results(case: LearnerCase) -> None:
    """No task knows its place in the batch."""
    keys = jax.random.split(law_key(), 4)
    order = jnp.array([2, 0, 3, 1])
    lives = jax.jit(jax.vmap(lambda key: dataclasses.replace(case.live(case.theta, key)[1].segments, memory=())))
    permuted = jax.tree.map(lambda x: x[order], lives(keys))
    chex.assert_trees_all_close(lives(keys[order]), permuted, atol=1e-5)


def the_same_key_gives_the_same_result_and_another_key_another(case: LearnerCase) -> None:
    """All randomness comes from the key."""
    run = jax.jit(lambda key: case.live(case.theta, key)[1].segments.action)
    np.testing.assert_array_equal(run(law_key()), run(law_key()))
    assert not np.array_equal(run(law_key()), run(jax.random.key(8))), "another key gave the same actions"


def no_key_of_a_lifetime_is_used_twice(case: LearnerCase) -> None:
    """Tasks, ``begin``, ``act``, ``adapt`` and ``init`` use each key once; JAX's key-reuse checker looks at their programs.

    It can't look at a whole outer step, in which a replay adapts with the recorded keys, as it must.
    """
    with jax.debug_key_reuse(True):
        try:
            theta = jax.jit(case.inner.init)(law_key())
            jax.jit(lambda theta, key: case.live(theta, key))(theta, law_key())
        except jax.errors.KeyReuseError as error:
            raise AssertionError(f"a key is used twice: {error}") from error


def streams_and_segments_draw_different_randomness(case: LearnerCase) -> None:
    """Two streams of a task, and two segments of a lifetime, do not take the same actions."""
    protocol = case.outer.protocol._replace(num_segments=2, num_streams=2, segment_length=4 * case.tasks.horizon)
    run = jax.jit(lambda theta: case.live(theta, law_key(), protocol)[1].segments.action)
    actions = np.asarray(run(case.theta), float)
    assert not np.array_equal(actions[:, :, 0], actions[:, :, 1]), "both streams took the same actions"
    assert not np.array_equal(actions[0], actions[1]), "both segments took the same actions"
