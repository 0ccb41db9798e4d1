"""The laws that every inner and outer learner obeys (see ``jmeta.inner.base``)."""

import copy
import pickle
from functools import partial
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.algorithms import ALGORITHMS
from jmeta.lifetime import live, live_in, new_episodes, replay, rollout, start
from jmeta.outer.base import OuterLearner
from jmeta.outer.belief_ppo import BeliefPPO
from jmeta.outer.off_policy import OffPolicy
from jmeta.outer.on_policy import OnPolicy
from jmeta.outer.trust_region import TrustRegion
from jmeta.types import TASK_AXES, Life, Lifetime, MetaState, Metrics, Protocol, PyTree, Timestep
from tests.laws.learners import LEARNERS, OUTER_LEARNERS

KEY = jax.random.key(7)


@pytest.fixture(scope="module", params=OUTER_LEARNERS)
def outer(request: pytest.FixtureRequest) -> OuterLearner:
    return OUTER_LEARNERS[request.param]()


@pytest.fixture(scope="module")
def theta(outer: OuterLearner) -> PyTree:
    """A theta some way from its beginning, so that nothing is zero by initialisation."""
    fresh = outer.inner.init(jax.random.key(1))
    keys = jax.random.split(jax.random.key(2), len(jax.tree.leaves(fresh)))
    noise = jax.tree.map(
        lambda x, key: 0.3 * jax.random.normal(key, x.shape), fresh, jax.tree.unflatten(jax.tree.structure(fresh), list(keys))
    )
    return jax.tree.map(jnp.add, fresh, noise)


@pytest.fixture(scope="module")
def lived(outer: OuterLearner, theta: PyTree) -> tuple[PyTree, Lifetime]:
    """(what it began with, what happened) in one task."""
    return jax.jit(partial(lifetime, outer))(theta, KEY)


class Stepped(NamedTuple):
    """Two outer steps, by one jitted function."""

    before: MetaState
    after: MetaState
    metrics: Metrics
    program: str
    num_traces: int


@pytest.fixture(scope="module")
def stepped(outer: OuterLearner, theta: PyTree) -> Stepped:
    step = jax.jit(outer.step)
    before = jax.jit(outer.init)(KEY)._replace(theta=theta)
    after, metrics = step(before, KEY)
    step(after, jax.random.key(3))
    num_traces = step._cache_size()
    return Stepped(before, after, metrics, step.lower(before, KEY).as_text(), num_traces)


def test_every_algorithm_is_here() -> None:
    missing = sorted(set(ALGORITHMS) - set(LEARNERS))
    assert not missing, f"{missing}: add a case to LEARNERS in tests/laws/learners.py, small tasks and settings"
    assert set(LEARNERS) == set(ALGORITHMS), "LEARNERS names an algorithm that is not registered"
    assert all(LEARNERS.values())


def lifetime(outer: OuterLearner, theta: PyTree, key: jax.Array, protocol: Protocol | None = None) -> tuple[PyTree, Lifetime]:
    """(what it began with, what happened) in one task."""
    protocol = protocol or outer.protocol
    task_key, begin_key, live_key = jax.random.split(key, 3)
    task = outer.tasks.sample(task_key)
    begun = outer.inner.begin(theta, protocol.num_streams, begin_key)
    return begun, live_in(outer.inner, outer.tasks, theta, task, begun, protocol=protocol, key=live_key)


def log_probs(decision: PyTree, action: jax.Array) -> jax.Array:
    """[K, T, B]."""
    function = lambda d, a: d.distribution.log_prob(a)  # noqa: E731
    for _ in range(3):
        function = jax.vmap(function)
    return function(decision, action)


def test_replay_under_the_behaviour_theta_reproduces_the_decisions(outer: OuterLearner, theta: PyTree, lived: PyTree) -> None:
    @jax.jit
    def both(theta: PyTree, begun: PyTree, recorded: Lifetime) -> tuple[jax.Array, ...]:
        again = replay(outer.inner, theta, begun, recorded)
        action = recorded.segments.action
        return (
            log_probs(recorded.segments.decision, action),
            log_probs(again, action),
            recorded.segments.decision.value,
            again.value,
        )

    recorded, again, recorded_value, again_value = both(theta, *lived)
    np.testing.assert_allclose(recorded, again, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(recorded_value, again_value, atol=1e-5, rtol=1e-5)
    assert np.ptp(np.asarray(recorded)) > 0.01  # the policy does prefer some actions, so the comparison says something


def test_replay_under_another_theta_decides_otherwise(outer: OuterLearner, theta: PyTree, lived: PyTree) -> None:
    @jax.jit
    def difference(theta: PyTree, recorded: Lifetime) -> jax.Array:
        begun = outer.inner.begin(theta, outer.protocol.num_streams, KEY)
        again = replay(outer.inner, theta, begun, recorded)
        action = recorded.segments.action
        return jnp.abs(log_probs(again, action) - log_probs(recorded.segments.decision, action)).max()

    others = (lambda x: x + 0.1, lambda x: -x)  # a greedy policy changes where the order of its values does
    assert max(difference(jax.tree.map(other, theta), lived[1]) for other in others) > 1e-3


def test_unroll_equals_a_scan_of_act(outer: OuterLearner, theta: PyTree, lived: PyTree) -> None:
    _, recorded = lived
    phi, memory = outer.inner.begin(theta, outer.protocol.num_streams, KEY)
    stream_memory = jax.tree.map(lambda x: x[0], memory)
    timesteps: Timestep = jax.tree.map(lambda x: x[0, :, 0], recorded.segments.timestep)

    def step(memory: PyTree, timestep: Timestep) -> tuple[PyTree, PyTree]:
        decision, memory = outer.inner.act(theta, phi, memory, timestep)
        return memory, decision

    scanned_memory, scanned = jax.jit(partial(jax.lax.scan, step))(stream_memory, timesteps)
    unrolled, unrolled_memory = jax.jit(outer.inner.unroll)(theta, phi, stream_memory, timesteps)
    chex.assert_trees_all_close(scanned, unrolled, atol=1e-5)
    chex.assert_trees_all_close(scanned_memory, unrolled_memory, atol=1e-5)


def test_adapt_keeps_structure_shapes_and_dtypes(outer: OuterLearner, theta: PyTree, lived: PyTree) -> None:
    _, recorded = lived
    phi, memory = outer.inner.begin(theta, outer.protocol.num_streams, KEY)
    segment = jax.tree.map(lambda x: x[0], recorded.segments)
    adapted = jax.eval_shape(outer.inner.adapt, theta, phi, memory, segment, KEY)
    begun = jax.eval_shape(lambda: (phi, memory))
    chex.assert_trees_all_equal_shapes_and_dtypes(adapted, begun)
    weak = jax.tree.map(lambda x: x.weak_type, jax.eval_shape(outer.inner.init, KEY))
    assert not any(jax.tree.leaves(weak)), "weak types in theta: everything would be traced twice"


def test_tasks_together_equal_tasks_one_by_one(outer: OuterLearner, theta: PyTree) -> None:
    keys = jax.random.split(KEY, 3)
    single = jax.jit(lambda key: lifetime(outer, theta, key)[1])
    together = jax.jit(jax.vmap(lambda key: lifetime(outer, theta, key)[1], out_axes=TASK_AXES))(keys)
    for index in range(3):
        alone = single(keys[index])
        one = jax.tree.map(lambda x, task=index: np.asarray(x)[:, :, task], together.segments._replace(memory=()))
        chex.assert_trees_all_close(one, alone.segments._replace(memory=()), atol=2e-5)


def test_permuting_tasks_permutes_results(outer: OuterLearner, theta: PyTree) -> None:
    keys = jax.random.split(KEY, 4)
    order = jnp.array([2, 0, 3, 1])
    rewards = jax.jit(jax.vmap(lambda key: lifetime(outer, theta, key)[1].segments.reward))
    np.testing.assert_allclose(rewards(keys)[order], rewards(keys[order]), atol=1e-5)


def test_the_same_key_gives_the_same_result_and_another_key_another(outer: OuterLearner, theta: PyTree) -> None:
    run = jax.jit(lambda key: lifetime(outer, theta, key)[1].segments.action)
    np.testing.assert_array_equal(run(KEY), run(KEY))
    assert not np.array_equal(run(KEY), run(jax.random.key(8)))


def test_streams_and_segments_draw_different_randomness(outer: OuterLearner, theta: PyTree) -> None:
    protocol = outer.protocol._replace(num_segments=2, num_streams=2, segment_length=4 * outer.tasks.horizon)
    run = jax.jit(lambda theta: lifetime(outer, theta, KEY, protocol)[1].segments.action)
    actions = np.asarray(run(theta), float)
    assert not np.array_equal(actions[:, :, 0], actions[:, :, 1])
    assert not np.array_equal(actions[0], actions[1])


def test_a_lifetime_begins_afresh_and_an_episode_does_not(outer: OuterLearner, theta: PyTree) -> None:
    inner, tasks = outer.inner, outer.tasks
    task = tasks.sample(KEY)
    streams = outer.protocol.num_streams
    begun = inner.begin(theta, streams, KEY)
    life = start(tasks, task, begun, num_streams=streams, key=KEY)
    chex.assert_trees_all_equal((life.phi, life.memory), begun)
    assert bool(life.timestep.first.all())
    assert not np.any(life.timestep.previous_action)
    assert not np.any(life.timestep.previous_reward)

    @jax.jit
    def live_on(life: Life) -> tuple[Life, Life]:
        later, segment = rollout(inner, tasks, theta, life, length=3 * tasks.horizon, key=KEY)
        phi, memory = inner.adapt(theta, later.phi, later.memory, segment, KEY)
        learned = later._replace(phi=phi, memory=memory)
        return learned, new_episodes(tasks, learned, key=KEY)

    learned, anew = live_on(life)
    phi, memory = learned.phi, learned.memory
    chex.assert_trees_all_equal((anew.phi, anew.memory, anew.task), (phi, memory, task))
    assert bool(anew.timestep.first.all())
    changed = jax.tree.map(lambda a, b: bool(np.any(np.asarray(a) != np.asarray(b))), (phi, memory), begun)
    keeps_something = bool(jax.tree.leaves(begun))  # a fixed policy does not
    assert any(jax.tree.leaves(changed)) == keeps_something, "three episodes and an adaptation left no trace in phi or memory"
    chex.assert_trees_all_equal(inner.begin(theta, streams, KEY), begun)


def test_what_the_agent_is_told(outer: OuterLearner, lived: PyTree) -> None:
    """Previous action and reward are those of the step before, across episodes; first marks episodes; the segment opens one."""
    segments = lived[1].segments
    done = segments.terminated | segments.truncated
    encoded = outer.tasks.action_space.encode
    for _ in range(3):
        encoded = jax.vmap(encoded)
    told = segments.timestep
    np.testing.assert_allclose(told.previous_action[:, 1:], encoded(segments.action)[:, :-1])
    np.testing.assert_allclose(told.previous_reward[:, 1:], segments.reward[:, :-1])
    np.testing.assert_array_equal(told.first[:, 1:], done[:, :-1])
    np.testing.assert_array_equal(told.arrival[:, 1:], segments.next_observation[:, :-1])
    np.testing.assert_array_equal(told.arrival[1:, 0], segments.next_observation[:-1, -1])
    np.testing.assert_array_equal(told.arrival[0, 0], told.observation[0, 0])
    assert bool(told.first[:, 0].all())
    np.testing.assert_allclose(told.previous_reward[1:, 0], segments.reward[:-1, -1])
    running = ~done[:, :-1, :, None]
    np.testing.assert_allclose(
        np.where(running, told.observation[:, 1:], 0.0), np.where(running, segments.next_observation[:, :-1], 0.0)
    )


def test_every_meta_parameter_gets_a_gradient(outer: OuterLearner, theta: PyTree) -> None:
    """Finite and not zero, in every leaf, from one outer step's own loss."""
    if not isinstance(outer, OnPolicy | OffPolicy):
        pytest.skip(f"{type(outer).__name__} takes no meta-gradient")
    keys = jax.random.split(KEY, outer.num_tasks)

    @jax.jit
    def gradient(theta: PyTree) -> PyTree:
        state = outer.init(KEY)._replace(theta=theta)
        if isinstance(outer, OffPolicy):
            records, _ = outer.collect(state, keys)
            return outer.gradient(theta, state.extra.slow, *jax.vmap(outer.draw)(records, keys))[0]
        group = outer.gather(state, keys)[0]
        if isinstance(outer, TrustRegion):
            return jax.grad(outer.surrogate)(theta, group)
        gradient = outer.gradient(theta, group)[0]
        if isinstance(outer, BeliefPPO):  # the belief learns from a loss of its own, and from nothing else
            of_belief = outer.belief_gradient(theta, outer.records(group), keys)[0]
            gradient = jax.tree.map(lambda a, b: jnp.where(jnp.all(a == 0), b, a * jnp.all(b == 0)), gradient, of_belief)
        return gradient

    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient(theta)):
        name = jax.tree_util.keystr(path)
        assert np.isfinite(leaf).all(), name
        assert np.abs(leaf).max() > 0, name


def test_an_outer_step_is_finite_moves_theta_and_keeps_its_types(outer: OuterLearner, stepped: Stepped) -> None:
    state, after, metrics = stepped.before, stepped.after, stepped.metrics
    assert "lapack" not in stepped.program  # as the law on LAPACK has it under vmap too
    chex.assert_trees_all_equal_shapes_and_dtypes(state, after)
    chex.assert_tree_all_finite((after, metrics))
    assert {"return/before", "return/after", "return/lifetime"} <= metrics.keys()
    moved = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), state.theta, after.theta)
    assert all(distance > 0 for distance in jax.tree.leaves(moved))
    shipped = outer.deploy(after)
    if isinstance(outer, OffPolicy) and outer.inner.num_shipped:  # replay goes with it
        shipped = {name: part for name, part in shipped.items() if name in after.theta}
    chex.assert_trees_all_equal(shipped, after.theta)


def test_the_second_call_does_not_trace_again(stepped: Stepped) -> None:
    assert stepped.num_traces == 1


def test_no_program_calls_lapack(outer: OuterLearner) -> None:
    """On a CPU its batched routines wait for threads of the pool they run in, and two at once on two threads wait for ever."""
    keys = jax.random.split(KEY, 2)
    states = jax.eval_shape(jax.vmap(outer.init), keys)
    for function, *args in ((jax.vmap(outer.init), keys), (jax.vmap(outer.step), states, keys)):
        text = jax.jit(function).lower(*args).as_text()
        assert len(text) > 1000
        assert "lapack" not in text


def test_typed_keys_raw_keys_and_seeds_begin_alike(outer: OuterLearner) -> None:
    typed, raw = (jax.jit(outer.init)(key).theta for key in (jax.random.key(5), jax.random.PRNGKey(5)))
    seed = jax.jit(lambda: outer.init(5).theta)()
    chex.assert_trees_all_equal(typed, raw)
    chex.assert_trees_all_close(typed, seed, atol=1e-6, rtol=1e-6)  # XLA folds a constant seed, and rounds differently
    state = jax.eval_shape(outer.init, KEY)
    after, _ = jax.eval_shape(outer.step, state, jax.random.PRNGKey(5))
    chex.assert_trees_all_equal_shapes_and_dtypes(after, state)  # as it is with a typed key: the law on types
    with pytest.raises(ValueError, match="give a single one"):
        outer.init(jax.random.split(KEY, 3))


def test_a_learner_pickles_and_copies_before_and_after_use(
    request: pytest.FixtureRequest, outer: OuterLearner, stepped: Stepped
) -> None:
    fresh = jax.eval_shape(outer.init, KEY)
    unused = OUTER_LEARNERS[request.node.callspec.params["outer"]]()
    for copied in (pickle.loads(pickle.dumps(unused)), copy.deepcopy(unused)):
        assert jax.eval_shape(copied.init, KEY) == fresh
        chex.assert_trees_all_equal(jax.tree.leaves(copied), jax.tree.leaves(outer))
    assert stepped.num_traces  # outer has been used
    again = pickle.loads(pickle.dumps(outer))
    assert copy.deepcopy(outer).protocol == again.protocol == outer.protocol
    for one, other in zip(*(jax.tree.leaves(x.init(KEY).theta) for x in (outer, again)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_number_of_a_learner_can_be_traced(outer: OuterLearner) -> None:
    """So whole trainings can be mapped over any setting that is a number."""
    numbers = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), outer)
    state = jax.eval_shape(lambda outer: outer.init(KEY), numbers)
    after, _ = jax.eval_shape(lambda outer, state: outer.step(state, KEY), numbers, state)
    chex.assert_trees_all_equal_shapes_and_dtypes(after.theta, state.theta)


def test_an_outer_step_keeps_its_types_where_jax_computes_in_double(request: pytest.FixtureRequest, outer: OuterLearner) -> None:
    """With jax_enable_x64, which others' environments may need: networks, actions and statistics stay in single precision."""
    with jax.enable_x64(True):
        built = OUTER_LEARNERS[request.node.callspec.params["outer"]]()
        state = jax.eval_shape(built.init, KEY)
        after, metrics = jax.eval_shape(built.step, state, KEY)
    chex.assert_trees_all_equal_shapes_and_dtypes(after, state)
    assert all(leaf.dtype != jnp.float64 for leaf in jax.tree.leaves(state.theta))
    assert metrics


def test_a_lifetime_lived_in_pieces_is_the_lifetime_lived_at_once(outer: OuterLearner, theta: PyTree) -> None:
    """Stopping between rollouts, as persistent lifetimes do, loses nothing."""
    inner, tasks = outer.inner, outer.tasks
    begun = inner.begin(theta, 2, KEY)
    life = start(tasks, tasks.sample(KEY), begun, num_streams=2, key=KEY)
    length = 2 * tasks.horizon
    at_once, whole = jax.jit(partial(live, inner, tasks, num_segments=1, length=length, key=KEY))(theta, life)
    rollout_key, _ = jax.random.split(KEY)
    directly, segment = jax.jit(partial(rollout, inner, tasks, length=length, key=rollout_key))(theta, life)
    chex.assert_trees_all_close(at_once, directly)
    chex.assert_trees_all_close(jax.tree.map(lambda x: x[0], whole.segments), segment)
