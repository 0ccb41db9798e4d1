"""Laws of a learner as a value: it is pickled and copied, mapped over, and takes keys of every kind."""

import copy
import pickle

import chex
import jax
import jax.numpy as jnp
import numpy as np

from jmeta.testing.cases import LearnerCase, law_key


def typed_keys_raw_keys_and_seeds_begin_alike(case: LearnerCase) -> None:
    """``init`` and ``step`` take a typed key, a raw key or a seed, and no batch of keys."""
    outer = case.outer
    typed, raw = (jax.jit(outer.init)(key).theta for key in (jax.random.key(5), jax.random.PRNGKey(5)))
    seed = jax.jit(lambda: outer.init(5).theta)()  # type: ignore[arg-type]
    chex.assert_trees_all_equal(typed, raw)
    chex.assert_trees_all_close(typed, seed, atol=1e-6, rtol=1e-6)  # XLA folds a constant seed, and rounds differently
    state = jax.eval_shape(outer.init, law_key())
    after, _ = jax.eval_shape(outer.step, state, jax.random.PRNGKey(5))
    chex.assert_trees_all_equal_shapes_and_dtypes(after, state)
    refusal = ""
    try:
        outer.init(jax.random.split(law_key(), 3))
    except ValueError as error:
        refusal = str(error)
    assert "give a single one" in refusal, f"three keys in place of one: {refusal or 'init takes them'}"


def a_learner_pickles_and_copies_before_and_after_use(case: LearnerCase) -> None:
    """Pickled or copied, a learner is the same learner, and nothing of a trace is left in it."""
    fresh = jax.eval_shape(case.outer.init, law_key())
    unused = case.build()
    for copied in (pickle.loads(pickle.dumps(unused)), copy.deepcopy(unused)):
        assert jax.eval_shape(copied.init, law_key()) == fresh, "a copy begins otherwise"
        chex.assert_trees_all_equal(jax.tree.leaves(copied), jax.tree.leaves(case.outer))
    assert case.two_steps.num_traces  # so the learner has been used
    again = pickle.loads(pickle.dumps(case.outer))
    assert copy.deepcopy(case.outer).protocol == again.protocol == case.outer.protocol
    for one, other in zip(*(jax.tree.leaves(x.init(law_key()).theta) for x in (case.outer, again)), strict=True):
        np.testing.assert_array_equal(one, other)


def every_number_of_a_learner_can_be_traced(case: LearnerCase) -> None:
    """So whole trainings can be mapped over any setting that is a number."""
    numbers = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), case.outer)
    state = jax.eval_shape(lambda outer: outer.init(law_key()), numbers)
    after, _ = jax.eval_shape(lambda outer, state: outer.step(state, law_key()), numbers, state)
    chex.assert_trees_all_equal_shapes_and_dtypes(after.theta, state.theta)
