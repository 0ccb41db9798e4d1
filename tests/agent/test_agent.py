"""Agents that act step by step: their order of calls, streams that are lived one after the other, and snapshots."""

import io
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import jmeta
from jmeta.agent import Agent
from jmeta.agent.export import agent_of
from jmeta.outer import OuterLearner
from jmeta.tasks import BernoulliBandit, PointNavigation, SparsePointNavigation

ARMS = BernoulliBandit(num_arms=3, num_pulls=6)


def rl2() -> OuterLearner:
    return jmeta.algorithms.rl2(ARMS, hidden_size=8, num_tasks=8)


def maml() -> OuterLearner:
    """Three segments of five steps, in six streams."""
    tasks = PointNavigation(horizon=5)
    return jmeta.algorithms.maml(tasks, widths=(8,), num_streams=6, num_tasks=4, num_inner_steps=2, inner_rates=(0.5,))


def make(build: Callable[[], OuterLearner], **options: Any) -> Agent:
    outer = build()
    return agent_of(outer.inner, outer.tasks, jax.jit(outer.inner.init)(jax.random.key(1)), outer.protocol, **options)


@pytest.fixture(scope="module")
def maml_agents() -> dict[int, Agent]:
    """By number of environments."""
    first = make(maml, num_envs=6)
    others = {n: Agent(first.programs, first.theta, first.observations, first.actions, about={}, num_envs=n) for n in (1, 2)}
    return {6: first, **others}


def live(agent: Agent, steps: int, *, done_every: int = 5, seed: int = 0) -> np.ndarray:
    """Acts in an environment whose observations and rewards depend on the stream and the time only, [steps, *batch, 2]."""
    rng = np.random.default_rng(seed)
    shape = (*agent.batch, agent.programs.layout.observation_size)
    actions = []
    for number in range(steps):
        actions.append(np.asarray(agent.act(rng.normal(size=shape))))
        done = (number + 1) % done_every == 0
        agent.observe(rng.normal(size=agent.batch), False, done, rng.normal(size=shape))
    return np.stack(actions)


def test_streams_that_are_lived_one_after_the_other_are_those_that_are_lived_side_by_side(maml_agents: dict[int, Agent]) -> None:
    """Six streams of five steps, three segments: 15 steps in six environments, 90 in one, with the same experience by stream."""
    rng = np.random.default_rng(0)
    observations, rewards = rng.normal(size=(3, 5, 6, 2)), rng.normal(size=(3, 5, 6))
    found = {}
    for num_envs, agent in maml_agents.items():
        agent.begin(seed=3)
        actions = np.zeros((3, 5, 6, 2))
        for segment in range(3):
            for turn in range(6 // num_envs):
                streams = slice(turn * num_envs, (turn + 1) * num_envs)
                for time in range(5):
                    actions[segment, time, streams] = agent.act(observations[segment, time, streams])
                    needed = agent.observe(rewards[segment, time, streams], False, time == 4)
                    assert (needed == (time == 4)).all()
        found[num_envs] = actions
    assert np.abs(found[6][0] - found[6][1]).max() > 0.01  # it adapts
    np.testing.assert_allclose(found[1], found[6], atol=1e-5)
    np.testing.assert_allclose(found[2], found[6], atol=1e-5)


def test_a_segment_that_ends_in_an_episode_asks_for_a_new_one(maml_agents: dict[int, Agent]) -> None:
    agent = maml_agents[6]
    agent.begin()
    for time in range(5):
        agent.act(np.zeros((6, 2)))
        needed = agent.observe(np.zeros(6))
        assert needed.tolist() == [time == 4] * 6


def test_beyond_the_last_segment_it_acts_and_does_not_adapt(maml_agents: dict[int, Agent]) -> None:
    agent = maml_agents[6]
    agent.begin()
    live(agent, 15)
    assert agent._life is not None
    phi = agent._life.to_arrays()["phi/0"]
    keys = agent._life.to_arrays()["act_keys"]
    live(agent, 25, done_every=7)
    after = agent._life.to_arrays()
    np.testing.assert_array_equal(after["phi/0"], phi)
    assert int(after["beyond"]) == 6  # 15 + 25 steps are eight segments of five: the keys of the last five, and of the next
    assert len(np.unique(np.concatenate([keys, after["act_keys"]]).reshape(-1, 2), axis=0)) == 2 * 5 * 6


def test_several_tasks_are_as_many_agents() -> None:
    """Each task's key is split from the one that is given, as in ``jmeta.evaluate``."""
    several = make(rl2, num_tasks=3)
    several.begin(seed=5)
    alone = Agent(several.programs, several.theta, several.observations, several.actions, about={})
    keys = jax.random.split(jax.random.key(5), 3)
    rewards = np.random.default_rng(0).normal(size=(9, 3))
    together = []
    for reward in rewards:
        together.append(several.act(np.zeros((3, 1))))
        several.observe(reward, True)
    for task in range(3):
        alone.begin(keys[task])
        for number, reward in enumerate(rewards):
            assert alone.act([0.0]) == together[number][task]
            alone.observe(reward[task], True)
    assert len({tuple(row) for row in np.stack(together, 1).tolist()}) > 1


def test_mistakes_are_named_and_change_nothing() -> None:
    agent, other = make(rl2), make(rl2)
    with pytest.raises(ValueError, match=r"act: no lifetime has begun; call begin\(seed\) first"):
        agent.act([0.0])
    agent.begin(2)
    other.begin(2)
    mistakes: list[tuple[Callable[[], Any], str]] = [
        (lambda: agent.observe(1.0), "observe: there is no action whose outcome this is"),
        (lambda: agent.act(np.zeros(2)), r"observation has shape \[2\]: give 1 number"),
        (lambda: agent.act([np.nan]), "observation: a number of it is NaN or infinite"),
        (lambda: agent.begin(-1), "seed"),
    ]
    after_acting: list[tuple[Callable[[], Any], str]] = [
        (lambda: agent.act([0.0]), "act: the last action has no outcome yet"),
        (agent.snapshot, "snapshot: the last action has no outcome yet"),
        (lambda: agent.observe(np.nan), "reward=nan: it must be finite"),
        (lambda: agent.observe([1.0, 2.0]), r"reward has shape \[2\]"),
        (lambda: agent.observe(1.0, 0.5), "terminated=0.5: it must be True or False"),
        (lambda: agent.observe(1.0, False, [True, False]), r"truncated has shape \[2\]"),
    ]
    for _ in range(4):
        for call, said in mistakes:
            with pytest.raises((ValueError, TypeError), match=said):
                call()
        action = agent.act([0.0])
        assert isinstance(action, int)
        assert action == other.act([0.0])
        for call, said in after_acting:
            with pytest.raises(ValueError, match=said):
                call()
        agent.observe(1.0, True)
        other.observe(1.0, True)
    with pytest.raises(ValueError, match="num_envs=4 does not divide the 1 stream"):
        Agent(agent.programs, agent.theta, agent.observations, agent.actions, about={}, num_envs=4)
    with pytest.raises(ValueError, match="num_tasks=0: it must be at least 1"):
        Agent(agent.programs, agent.theta, agent.observations, agent.actions, about={}, num_tasks=0)


def test_a_snapshot_in_a_segment_continues_as_if_nothing_had_happened(maml_agents: dict[int, Agent]) -> None:
    """Two environments, so that the second turn of the first segment is under way after seven steps."""
    agent = maml_agents[2]
    agent.begin(4)
    live(agent, 7)
    file = io.BytesIO()
    np.savez(file, **agent.snapshot())
    file.seek(0)
    expected = live(agent, 30, seed=1)
    agent.begin(9)
    live(agent, 11)
    agent.restore(np.load(file))
    np.testing.assert_array_equal(live(agent, 30, seed=1), expected)
    with pytest.raises(ValueError, match="snapshot: it belongs to another agent"):
        maml_agents[6].restore(agent.snapshot())


def test_greedy_takes_the_most_likely_action() -> None:
    agent = make(rl2)
    taken: dict[bool, set[int]] = {False: set(), True: set()}
    for seed in range(30):
        for greedy in (False, True):
            agent.begin(seed)
            taken[greedy].add(agent.act([0.0], greedy=greedy))
    assert agent._life is not None
    assert agent._life.acted is not None
    logits = agent._life.acted.decision["decision/distribution/0"]
    assert taken == {False: {0, 1, 2}, True: {int(np.argmax(logits))}}


@pytest.mark.slow
def test_an_agent_that_learns_from_the_next_observation_asks_for_it() -> None:
    tasks = SparsePointNavigation(horizon=4, episodes=2)
    agent = make(lambda: jmeta.algorithms.pearl(tasks, encoder_widths=(8,), widths=(8,), num_training_tasks=2, num_passes=1))
    assert not agent.programs.layout.reads_next_observation  # its contexts are observations, actions and rewards
    agent = make(
        lambda: jmeta.algorithms.mql(tasks, hidden_size=4, widths=(8,), num_training_tasks=2, num_passes=1, num_shipped=8)
    )
    assert agent.programs.layout.reads_next_observation
    agent.begin()
    agent.act(np.zeros(2))
    with pytest.raises(ValueError, match="next_observation: this agent learns from the observation that follows an action"):
        agent.observe(0.0)
    assert agent.observe(0.0, False, False, np.zeros(2)) is False


def test_what_it_is() -> None:
    found = make(maml, num_envs=6, about={"algorithm": "maml"}).describe()
    assert found["algorithm"] == "maml"
    assert found["adaptation"] == {"num_segments": 3, "segment_length": 5, "num_streams": 6, "needs_next_observation": False}
    low, high = (pytest.approx([side] * 2) for side in (-0.1, 0.1))
    assert found["action"] == {"kind": "continuous", "shape": [2], "low": low, "high": high}
