"""Policies generated from context: when they change, and from what."""

import dataclasses
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmeta
from jmeta.inner.generated_policy import GeneratedPolicy
from jmeta.lifetime import live_in_new_task
from jmeta.tasks import BernoulliBandit, GridNavi
from jmeta.types import PyTree, Segment

KEY = jax.random.key(3)


@pytest.fixture(scope="module")
def agent() -> GeneratedPolicy:
    tasks = BernoulliBandit(num_arms=3, num_pulls=6)
    return jmeta.algorithms.hypernetwork(tasks, hidden_size=8, policy_widths=(4,), num_tasks=4).inner


@pytest.fixture(scope="module")
def theta(agent: GeneratedPolicy) -> PyTree:
    fresh = agent.init(KEY)
    return jax.tree.map(lambda x: x + 0.3 * jax.random.normal(jax.random.key(x.size), x.shape), fresh)


@pytest.fixture(scope="module")
def segment(agent: GeneratedPolicy, theta: PyTree) -> Segment:
    """Six steps of two streams."""
    tasks = BernoulliBandit(num_arms=3, num_pulls=6)
    protocol = jmeta.types.Protocol(1, 6, 2)
    _, lifetime = jax.jit(partial(live_in_new_task, agent, tasks, protocol=protocol))(theta, KEY)
    return jax.tree.map(lambda x: x[0], lifetime.segments)


def test_the_policy_changes_when_a_segment_ends_and_by_what_it_earned(
    agent: GeneratedPolicy, theta: PyTree, segment: Segment
) -> None:
    phi, memory = agent.begin(theta, 2, KEY)
    after, _ = agent.adapt(theta, phi, memory, segment, KEY)
    otherwise, _ = agent.adapt(theta, phi, memory, dataclasses.replace(segment, reward=1.0 - segment.reward), KEY)
    for one, other in ((phi, after), (after, otherwise)):
        assert max(float(np.abs(a - b).max()) for a, b in zip(*map(jax.tree.leaves, (one, other)), strict=True)) > 1e-3
    _, acted = agent.act(theta, after, jax.tree.map(lambda x: x[0], memory), jax.tree.map(lambda x: x[0, 0], segment.timestep))
    chex.assert_trees_all_equal(acted, jax.tree.map(lambda x: x[0], memory))


def test_the_last_reward_of_a_segment_is_not_lost(agent: GeneratedPolicy, theta: PyTree, segment: Segment) -> None:
    """It stands in no timestep of the segment."""
    phi, memory = agent.begin(theta, 2, KEY)
    changed = dataclasses.replace(segment, reward=segment.reward.at[-1].add(1.0))
    one, other = (agent.adapt(theta, phi, memory, lived, KEY)[0] for lived in (segment, changed))
    assert max(float(np.abs(a - b).max()) for a, b in zip(*map(jax.tree.leaves, (one, other)), strict=True)) > 1e-3


def test_streams_tell_the_same_in_any_order(agent: GeneratedPolicy, theta: PyTree, segment: Segment) -> None:
    phi, memory = agent.begin(theta, 2, KEY)
    turned = jax.tree.map(lambda x: x[:, ::-1], dataclasses.replace(segment, memory=()))
    one, other = (agent.adapt(theta, phi, memory, lived, KEY)[0] for lived in (segment, turned))
    chex.assert_trees_all_close(one, other, atol=1e-6)


def test_what_was_lived_two_segments_ago_still_counts(agent: GeneratedPolicy, theta: PyTree, segment: Segment) -> None:
    def after_two(first: Segment) -> PyTree:
        phi, memory = agent.begin(theta, 2, KEY)
        phi, memory = agent.adapt(theta, phi, memory, first, KEY)
        return agent.adapt(theta, phi, memory, segment, KEY)[0]

    one, other = after_two(segment), after_two(dataclasses.replace(segment, reward=1.0 - segment.reward))
    assert max(float(np.abs(a - b).max()) for a, b in zip(*map(jax.tree.leaves, (one, other)), strict=True)) > 1e-4


def test_a_lifetime_is_as_many_policies_as_it_has_episodes() -> None:
    assert jmeta.algorithms.hypernetwork(GridNavi()).protocol == (4, 15, 1)
    with pytest.raises(ValueError, match="num_segments=1: the policy adapts only between segments"):
        jmeta.algorithms.hypernetwork(GridNavi(), num_segments=1)
    with pytest.raises(ValueError, match=r"policy_widths=\(0,\): give a whole number of at least 1"):
        jmeta.algorithms.hypernetwork(GridNavi(), policy_widths=(0,))


@pytest.mark.slow
def test_a_recurrent_hypernetwork_decides_from_what_it_sees_by_weights_from_what_it_remembers() -> None:
    tasks = GridNavi()
    outer = jmeta.algorithms.recurrent_hypernetwork(tasks, hidden_size=8, head_widths=(4,), num_tasks=4)
    theta = jax.tree.map(lambda x: x + 0.3 * jax.random.normal(jax.random.key(x.size), x.shape), outer.inner.init(KEY))
    fixed = theta | {"heads": jax.tree.map(lambda x: x, theta["heads"])}
    fixed["heads"]["generate"]["weights"]["kernel"] = jnp.zeros_like(theta["heads"]["generate"]["weights"]["kernel"])
    protocol = outer.protocol._replace(segment_length=15)
    _, lifetime = live_in_new_task(outer.inner, tasks, theta, KEY, protocol=protocol)
    steps = jax.tree.map(lambda x: x[0, :, 0], lifetime.segments.timestep)
    (_, memory) = outer.inner.begin(theta, 1, KEY)
    memory = jax.tree.map(lambda x: x[0], memory)
    seen = steps._replace(observation=jnp.broadcast_to(steps.observation[0], steps.observation.shape))
    remembers = outer.inner.unroll(theta, (), memory, seen)[0].value
    forgets = outer.inner.unroll(fixed, (), memory, seen)[0].value
    assert np.ptp(np.asarray(remembers)) > 1e-3  # the same sight, another memory: another decision
    assert np.ptp(np.asarray(forgets)) < 1e-6
