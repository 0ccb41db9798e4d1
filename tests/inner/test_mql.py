"""Meta-Q-learning: contexts in replay and in life, own and old data, and the pull back."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jmeta
from jmeta.inner.mql import MQL, MQLPhi
from jmeta.inner.off_policy import ReplayStep
from jmeta.lifetime import live_in
from jmeta.tasks import SparsePointNavigation
from jmeta.types import PyTree, Segment

TASKS = SparsePointNavigation(horizon=4, episodes=3)
KEY = jax.random.key(0)


def learner(**fields: Any) -> Any:
    settings: dict[str, Any] = {
        "hidden_size": 4,
        "widths": (8,),
        "num_tasks": 4,
        "num_passes": 2,
        "batch_size": 8,
        "capacity": 40,
        "sequence_length": 6,
        "burn_in": 2,
        "adapt_capacity": 10,
        "num_shipped": 40,
        "adapt_rate": 0.01,
    }
    return jmeta.algorithms.mql(TASKS, **(settings | fields))


def lived(outer: Any, theta: PyTree) -> tuple[MQLPhi, Segment]:
    """What it begins with, and the segments [3, 4, 1] of one lifetime, in which it did not adapt."""
    agent: MQL = outer.inner.explorer(1.0)

    @jax.jit
    def live(theta: PyTree) -> tuple[MQLPhi, Segment]:
        begun = agent.begin(theta, 1, KEY)
        lifetime = live_in(agent, TASKS, theta, TASKS.sample(KEY), begun, protocol=outer.protocol, key=KEY)
        return begun[0], lifetime.segments

    return live(theta)


def own_steps(segments: Segment, number: int) -> Segment:
    return jax.tree.map(lambda x: x[number], segments)


def test_contexts_in_replay_are_those_of_the_life() -> None:
    """From the lifetime's beginning; where a second lifetime opens within a row, everything is forgotten."""
    outer = learner()
    agent: MQL = outer.inner
    theta = jax.jit(agent.init)(KEY)
    _, segments = lived(outer, theta)
    flat = jax.tree.map(lambda x: x[:, :, 0].reshape(12, *x.shape[3:]), segments._replace(decision=(), memory=()))
    twice = jax.tree.map(lambda x: jnp.concatenate([x, x]), flat)
    row = ReplayStep.of(twice, worth=2.0 * twice.reward, time=jnp.arange(24) % 12)
    fresh = agent.encoder.apply(theta["encoder"], method="initial_memory")
    steps = jax.jit(agent._steps)(theta, fresh, row)
    memory, contexts, encode = fresh, [], jax.jit(agent.encoder.apply)
    for step in range(12):
        timestep = jax.tree.map(lambda x, step=step: x[step], flat.timestep)
        memory, context = encode(theta["encoder"], memory, timestep)
        contexts.append(np.asarray(context))
    np.testing.assert_allclose(steps.x_tm1[:12, 2:], contexts, atol=1e-5)
    np.testing.assert_allclose(steps.x_tm1[12:], steps.x_tm1[:12], atol=1e-5)
    np.testing.assert_array_equal(steps.r_t, row.worth)
    within = np.asarray(~twice.truncated)[:-1]  # where the next step goes on, its context is the one that follows
    np.testing.assert_allclose(np.asarray(steps.x_t[:-1])[within], np.asarray(steps.x_tm1[1:])[within], atol=1e-5)


def test_own_data_are_the_newest_steps_of_the_task() -> None:
    """Ten slots, three segments of four steps: the last ten of twelve, whatever their order."""
    outer = learner()
    agent: MQL = outer.inner
    theta = jax.jit(agent.init)(KEY)
    phi, segments = lived(outer, theta)
    take_in = jax.jit(agent._take_in)
    for number in range(3):
        phi = take_in(theta, phi, own_steps(segments, number))
    assert int(phi.own.number) == 12
    lived_actions = np.asarray(segments.action).reshape(12, 2)
    kept = np.asarray(phi.own.steps.a_tm1)
    np.testing.assert_allclose(kept[[2, 3, 4, 5, 6, 7, 8, 9, 0, 1]], lived_actions[2:], atol=1e-6)


def test_adapting_moves_weights_and_old_data_is_shipped() -> None:
    outer = learner()
    state, step = jax.jit(outer.init)(KEY), jax.jit(outer.step)
    for number in range(2):
        state, _ = step(state, jax.random.key(number))
    theta = outer.deploy(state)
    assert theta["old"].r_t.shape == (40,)
    lived_rewards = np.asarray(state.by_task.kept.experience.reward)
    assert all(np.isclose(lived_rewards, reward).any() for reward in np.asarray(theta["old"].r_t))
    agent: MQL = outer.inner
    phi, segments = lived(outer, theta)
    moved = {}
    for name, given in (("own", state.theta), ("own and old", theta)):
        adapted, _ = jax.jit(agent.adapt)(given, phi, (), own_steps(segments, 0), KEY)
        moved[name] = adapted.weights
        assert all(np.any(a != b) for a, b in zip(*map(jax.tree.leaves, (adapted.weights, phi.weights)), strict=True))
    assert any(np.any(a != b) for a, b in zip(*map(jax.tree.leaves, moved.values()), strict=True))


def test_where_nothing_old_is_alike_weights_are_pulled_back() -> None:
    """Own data only: the pull is 1. Against none, two hundred steps at the same rate end farther away."""
    outer = learner(num_own_updates=200)
    agent: MQL = outer.inner
    theta = jax.jit(agent.init)(KEY)
    phi, segments = lived(outer, theta)
    phi = jax.jit(agent._take_in)(theta, phi, own_steps(segments, 0))
    whole = lambda key: (jax.tree.map(lambda x: x[:4], phi.own.steps), jnp.ones(4))  # noqa: E731

    @jax.jit
    def distance(pull: float) -> jax.Array:
        tuned = agent._tune(theta, phi, whole, pull, 200, KEY)
        leaves = zip(*map(jax.tree.leaves, (tuned.weights, theta["q_learner"])), strict=True)
        return sum(jnp.square(a - b).sum() for a, b in leaves)

    assert distance(10.0) < 0.5 * distance(0.0)
