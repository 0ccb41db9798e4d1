"""Laws of an outer step: its gradient, the state that it returns, and the program that it compiles to."""

import chex
import jax
import jax.numpy as jnp
import numpy as np

from jmeta.testing.cases import LearnerCase, law_key
from jmeta.types import PyTree


def every_meta_parameter_gets_a_gradient(case: LearnerCase) -> None:
    """``meta_gradient`` is finite and not zero in every leaf, unless the learner takes none."""

    @jax.jit
    def gradient(theta: PyTree) -> PyTree:
        return case.outer.meta_gradient(case.outer.init(law_key())._replace(theta=theta), law_key())

    found = gradient(case.theta)
    if found is None:
        return
    chex.assert_trees_all_equal_shapes_and_dtypes(found, case.theta)
    for path, leaf in jax.tree_util.tree_leaves_with_path(found):
        name = jax.tree_util.keystr(path)
        assert np.isfinite(leaf).all(), f"the gradient of theta{name} is not finite"
        assert np.abs(leaf).max() > 0, f"theta{name} gets no gradient"


def an_outer_step_is_finite_moves_theta_and_keeps_its_types(case: LearnerCase) -> None:
    """An outer step moves every leaf of theta, and returns finite numbers, states of the same types and the common metrics."""
    before, after, metrics, _, _ = case.two_steps
    chex.assert_trees_all_equal_shapes_and_dtypes(before, after)
    chex.assert_tree_all_finite((after, metrics))
    missing = {"return/before", "return/after", "return/lifetime"} - metrics.keys()
    assert not missing, f"step does not report {', '.join(sorted(missing))}"
    leaves = jax.tree_util.tree_leaves_with_path(before.theta)
    for (path, old), new in zip(leaves, jax.tree.leaves(after.theta), strict=True):
        assert np.any(old != new), f"an outer step left theta{jax.tree_util.keystr(path)} where it was"
    trained, deployed = _by_path(after.theta), _by_path(case.outer.deploy(after))  # data may be deployed beside theta
    assert trained.keys() <= deployed.keys(), "deploy leaves out meta-parameters"
    chex.assert_trees_all_equal({path: deployed[path] for path in trained}, trained)


def the_second_call_does_not_trace_again(case: LearnerCase) -> None:
    """The state that a step returns has the types of the one that it took, weak types included."""
    number = case.two_steps.num_traces
    assert number == 1, f"two outer steps were traced {number} times"


def no_program_calls_lapack(case: LearnerCase) -> None:
    """On a CPU its batched routines wait for threads of the pool that they run in, and two at once may wait for ever."""
    keys = jax.random.split(law_key(), 2)
    states = jax.eval_shape(jax.vmap(case.outer.init), keys)
    programs = [
        jax.jit(jax.vmap(case.outer.init)).lower(keys).as_text(),
        jax.jit(jax.vmap(case.step)).lower(states, keys).as_text(),
        case.two_steps.program,
    ]
    assert not any("lapack" in program for program in programs), "use the solvers of jmeta.objectives.linear"


def an_outer_step_keeps_its_types_where_jax_computes_in_double(case: LearnerCase) -> None:
    """Networks, actions and statistics stay in single precision under ``jax_enable_x64``, which a user's environment may need."""
    with jax.enable_x64(True):
        outer = case.build()
        state = jax.eval_shape(outer.init, law_key())
        after, metrics = jax.eval_shape(outer.step, state, law_key())
    chex.assert_trees_all_equal_shapes_and_dtypes(after, state)
    double = [path for path, leaf in jax.tree_util.tree_leaves_with_path(state.theta) if leaf.dtype == jnp.float64]
    assert not double, f"theta{jax.tree_util.keystr(double[0])} is in double precision"
    assert metrics


def _by_path(tree: PyTree) -> dict[str, jax.Array]:
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
