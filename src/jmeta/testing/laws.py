"""The laws that every inner and outer learner obeys, each a function of a case that raises AssertionError if it is broken."""

import copy
import pickle
from collections.abc import Callable, Sequence
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np

from jmeta.lifetime import live, new_episodes, replay, rollout, start
from jmeta.outer.base import OuterLearner
from jmeta.outer.on_policy import over_axes
from jmeta.outer.terms import log_prob
from jmeta.testing.cases import LearnerCase, law_key
from jmeta.types import TASK_AXES, Decision, Life, Lifetime, Memory, Phi, Theta, Timestep

Law = Callable[[LearnerCase], None]

_log_prob = over_axes(log_prob, 3)
"""Log-probabilities of actions [K, T, B] under decisions [K, T, B]."""


def check_learner(build: Callable[[], OuterLearner], laws: Sequence[Law] | None = None) -> None:
    """Tests every law on a learner; it takes a minute or more, most of it compiling.

    Args:
      build: returns the learner, the same at every call; small.
      laws: which laws, all by default.

    Raises:
      AssertionError: of the first law that is broken, with its name as a note.

    Example:
      >>> import jmeta
      >>> tasks = jmeta.tasks.BernoulliBandit(num_arms=3, num_pulls=6)
      >>> build = lambda: jmeta.algorithms.rl2(tasks, hidden_size=8, num_tasks=4)
      >>> check_learner(build, laws=[unroll_equals_a_scan_of_act, every_meta_parameter_gets_a_gradient])
    """
    case = LearnerCase(build)
    for law in LAWS if laws is None else laws:
        try:
            law(case)
        except Exception as error:
            error.add_note(f"{type(case.outer).__name__} of {type(case.inner.unwrapped).__name__} breaks the law {law.__name__}")
            raise


def replay_under_the_behaviour_theta_reproduces_the_decisions(case: LearnerCase) -> None:
    """A replay of a lifetime under the theta that lived it gives the recorded log-probabilities and values."""

    @jax.jit
    def both(theta: Theta, begun: tuple[Phi, Memory], lifetime: Lifetime) -> tuple[jax.Array, ...]:
        again = replay(case.inner, theta, begun, lifetime)
        recorded, action = lifetime.segments.decision, lifetime.segments.action
        return _log_prob(recorded, action), _log_prob(again, action), recorded.value, again.value

    recorded, again, recorded_value, again_value = both(case.theta, *case.lived)
    np.testing.assert_allclose(recorded, again, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(recorded_value, again_value, atol=1e-5, rtol=1e-5)
    assert np.ptp(np.asarray(recorded)) > 0.01, "all actions were as likely, so the comparison says nothing: use other tasks"


def replay_under_another_theta_decides_otherwise(case: LearnerCase) -> None:
    """A replay computes the decisions again, from the theta that it is given."""

    @jax.jit
    def decide(theta: Theta, lifetime: Lifetime) -> jax.Array:
        begun = case.inner.begin(theta, case.outer.protocol.num_streams, law_key())
        return _log_prob(replay(case.inner, theta, begun, lifetime), lifetime.segments.action)

    lifetime = case.lived[1]
    same = decide(case.theta, lifetime)
    # A greedy policy changes only where the order of its values does, hence two other thetas.
    others = [jax.tree.map(change, case.theta) for change in (lambda x: x + 0.1, lambda x: -x)]
    largest = max(float(jnp.abs(decide(other, lifetime) - same).max()) for other in others)
    assert largest > 1e-3, f"under another theta no log-probability changed by more than {largest}"


def unroll_equals_a_scan_of_act(case: LearnerCase) -> None:
    """``unroll`` along recorded timesteps gives the decisions and the memory of ``act``, step by step."""
    theta, inner = case.theta, case.inner
    phi, memory = inner.begin(theta, case.outer.protocol.num_streams, law_key())
    memory = jax.tree.map(lambda x: x[0], memory)
    timesteps: Timestep = jax.tree.map(lambda x: x[0, :, 0], case.lived[1].segments.timestep)

    def step(memory: Memory, timestep: Timestep) -> tuple[Memory, Decision]:
        decision, memory = inner.act(theta, phi, memory, timestep)
        return memory, decision

    scanned_memory, scanned = jax.jit(partial(jax.lax.scan, step))(memory, timesteps)
    unrolled, unrolled_memory = jax.jit(inner.unroll)(theta, phi, memory, timesteps)
    chex.assert_trees_all_close(scanned, unrolled, atol=1e-5)
    chex.assert_trees_all_close(scanned_memory, unrolled_memory, atol=1e-5)


def adapt_keeps_structure_shapes_and_dtypes(case: LearnerCase) -> None:
    """``adapt`` returns phi and memory of the types that it was given, and ``init`` returns no weak types."""
    phi, memory = case.inner.begin(case.theta, case.outer.protocol.num_streams, law_key())
    segment = jax.tree.map(lambda x: x[0], case.lived[1].segments)
    adapted = jax.eval_shape(case.inner.adapt, case.theta, phi, memory, segment, law_key())
    chex.assert_trees_all_equal_shapes_and_dtypes(adapted, jax.eval_shape(lambda: (phi, memory)))
    weak = jax.tree.map(lambda x: x.weak_type, jax.eval_shape(case.inner.init, law_key()))
    assert not any(jax.tree.leaves(weak)), "init returns weak types, so a second outer step would be traced again"


def tasks_together_equal_tasks_one_by_one(case: LearnerCase) -> None:
    """``vmap`` over tasks gives each task the lifetime that it has alone."""
    keys = jax.random.split(law_key(), 3)
    single = jax.jit(lambda key: case.live(case.theta, key)[1])
    together = jax.jit(jax.vmap(lambda key: case.live(case.theta, key)[1], out_axes=TASK_AXES))(keys)
    for index in range(3):
        alone = single(keys[index])
        one = jax.tree.map(lambda x, task=index: np.asarray(x)[:, :, task], together.segments._replace(memory=()))
        chex.assert_trees_all_close(one, alone.segments._replace(memory=()), atol=2e-5)


def permuting_tasks_permutes_results(case: LearnerCase) -> None:
    """No task knows its place in the batch."""
    keys = jax.random.split(law_key(), 4)
    order = jnp.array([2, 0, 3, 1])
    rewards = jax.jit(jax.vmap(lambda key: case.live(case.theta, key)[1].segments.reward))
    np.testing.assert_allclose(rewards(keys)[order], rewards(keys[order]), atol=1e-5)


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


def every_meta_parameter_gets_a_gradient(case: LearnerCase) -> None:
    """``meta_gradient`` is finite and not zero in every leaf, unless the learner takes none."""

    @jax.jit
    def gradient(theta: Theta) -> Theta | None:
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
    shipped = case.outer.deploy(after)
    if isinstance(shipped, dict):  # theta and data beside it
        shipped = {name: shipped[name] for name in after.theta}
    chex.assert_trees_all_equal(shipped, after.theta)


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


LAWS: tuple[Law, ...] = (
    replay_under_the_behaviour_theta_reproduces_the_decisions,
    replay_under_another_theta_decides_otherwise,
    unroll_equals_a_scan_of_act,
    adapt_keeps_structure_shapes_and_dtypes,
    tasks_together_equal_tasks_one_by_one,
    permuting_tasks_permutes_results,
    the_same_key_gives_the_same_result_and_another_key_another,
    no_key_of_a_lifetime_is_used_twice,
    streams_and_segments_draw_different_randomness,
    a_lifetime_begins_afresh_and_an_episode_does_not,
    what_the_agent_is_told,
    every_meta_parameter_gets_a_gradient,
    an_outer_step_is_finite_moves_theta_and_keeps_its_types,
    the_second_call_does_not_trace_again,
    no_program_calls_lapack,
    typed_keys_raw_keys_and_seeds_begin_alike,
    a_learner_pickles_and_copies_before_and_after_use,
    every_number_of_a_learner_can_be_traced,
    an_outer_step_keeps_its_types_where_jax_computes_in_double,
    a_lifetime_lived_in_pieces_is_the_lifetime_lived_at_once,
)
"""Every law; each takes a ``LearnerCase``."""
