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


def live(agent: Agent, steps: int, *, done_every: int = 5, seed: int = 0, reuse: bool = False) -> np.ndarray:
    """Acts in an environment whose observations and rewards depend on the stream and the time only, [steps, *batch, 2].

    With ``reuse`` it overwrites its arrays at every step, as simulators do.
    """
    rng = np.random.default_rng(seed)
    shape = (*agent.batch, agent.programs.layout.observation_size)
    buffers = np.zeros(shape, np.float32), np.zeros(agent.batch, np.float32)
    actions = []
    for number in range(steps):
        before, reward, after = (rng.normal(size=size).astype(np.float32) for size in (shape, agent.batch, shape))
        if reuse:
            buffers[0][...] = before
        actions.append(np.asarray(agent.act(buffers[0] if reuse else before)))
        done = (number + 1) % done_every == 0
        if reuse:
            buffers[0][...], buffers[1][...] = after, reward
        agent.observe(buffers[1] if reuse else reward, False, done, buffers[0] if reuse else after)
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
    needed = []
    for _ in range(25):
        agent.act(np.zeros((6, 2)))
        needed.append(bool(agent.observe(np.zeros(6)).any()))
    assert not any(needed)
    after = agent._life.to_arrays()
    np.testing.assert_array_equal(after["phi/0"], phi)
    assert int(after["beyond"]) == 6  # 15 + 25 steps are eight segments of five: the keys of the last five, and of the next
    assert len(np.unique(np.concatenate([keys, after["act_keys"]]).reshape(-1, 2), axis=0)) == 2 * 5 * 6


def test_arrays_may_be_reused(maml_agents: dict[int, Agent]) -> None:
    found = []
    for reuse in (False, True):
        maml_agents[6].begin()
        found.append(live(maml_agents[6], 15, reuse=reuse))
    np.testing.assert_array_equal(*found)
    maml_agents[6].begin()
    maml_agents[6].act(np.zeros((6, 2)))
    maml_agents[6].observe(np.zeros(6))[:] = True  # what is returned is the caller's
    assert maml_agents[6]._life is not None
    assert not maml_agents[6]._life._row_first.any()


def test_an_interrupt_while_it_adapts_loses_nothing(maml_agents: dict[int, Agent], monkeypatch: pytest.MonkeyPatch) -> None:
    agent = maml_agents[2]
    agent.begin(1)
    expected = live(agent, 30)
    agent.begin(1)
    life = agent._life
    assert life is not None
    adapt = life._compiled.adapt

    def interrupted(*arguments: Any) -> Any:
        monkeypatch.setattr(life._compiled, "adapt", adapt)
        raise KeyboardInterrupt

    monkeypatch.setattr(life._compiled, "adapt", interrupted)
    rng = np.random.default_rng(0)
    found = []
    for number in range(30):
        before, reward, after = (rng.normal(size=size).astype(np.float32) for size in ((2, 2), (2,), (2, 2)))
        found.append(agent.act(before))
        outcome = (reward, False, (number + 1) % 5 == 0, after)
        if number == 14:  # the last step of the third turn
            with pytest.raises(KeyboardInterrupt):
                agent.observe(*outcome)
        agent.observe(*outcome)
    np.testing.assert_array_equal(found, expected)


def test_tasks_and_environments_together(maml_agents: dict[int, Agent]) -> None:
    """Two tasks in six environments each are two agents in six."""
    one = maml_agents[6]
    both = Agent(one.programs, one.theta, one.observations, one.actions, about={}, num_tasks=2, num_envs=6)
    both.begin(0)
    together = live(both, 15)
    rng = np.random.default_rng(0)
    steps = [[rng.normal(size=size).astype(np.float32) for size in ((2, 6, 2), (2, 6), (2, 6, 2))] for _ in range(15)]
    for task, key in enumerate(jax.random.split(jax.random.key(0), 2)):
        one.begin(key)
        for number, (before, reward, after) in enumerate(steps):
            np.testing.assert_allclose(one.act(before[task]), together[number, task], atol=1e-5)
            one.observe(reward[task], False, (number + 1) % 5 == 0, after[task])


def test_the_beginning_of_an_episode_can_be_said() -> None:
    """RL² is told whether an episode begins; by default it is one after ``observe`` has said that one has ended."""
    agent = make(rl2)
    logits = {}
    for ended, first in ((True, None), (True, False), (False, None), (False, True)):
        agent.begin()
        agent.act([0.0])
        agent.observe(1.0, ended)
        agent.act([0.0], first=first)
        assert agent._life is not None
        assert agent._life.pending is not None
        logits[ended, first] = np.asarray(agent._life.pending.acted.decision["decision/distribution/0"])
    np.testing.assert_array_equal(logits[True, None], logits[False, True])
    np.testing.assert_array_equal(logits[True, False], logits[False, None])
    assert np.abs(logits[True, None] - logits[False, None]).max() > 1e-6


def test_the_agent_is_told_its_reward() -> None:
    agent = make(rl2)
    logits = []
    for reward in (0.0, 1.0):
        agent.begin()
        agent.act([0.0])
        agent.observe(reward)
        agent.act([0.0])
        assert agent._life is not None
        assert agent._life.pending is not None
        logits.append(np.asarray(agent._life.pending.acted.decision["decision/distribution/0"]))
    assert np.abs(logits[0] - logits[1]).max() > 1e-6


def test_an_episode_that_has_ended_by_itself_was_not_cut_off(maml_agents: dict[int, Agent]) -> None:
    """Values are bootstrapped where ``truncated`` is recorded, so it is False where an environment says both."""
    agent = maml_agents[6]
    agent.begin()
    agent.act(np.zeros((6, 2)))
    agent.observe(np.zeros(6), [True, True, False, False, True, False], [True, False, True, False, True, False])
    assert agent._life is not None
    recorded = {name: agent._life._record[name][0, 0].tolist() for name in ("terminated", "truncated")}
    assert recorded == {
        "terminated": [True, True, False, False, True, False],
        "truncated": [False, False, True, False, False, False],
    }


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
        (lambda: agent.begin(True), "seed|key"),
        (lambda: agent.begin(jax.random.key(0, impl="rbg")), "a key of rbg"),
        (lambda: agent.act("0"), "observation=0: give numbers"),
        (lambda: agent.act([10**400]), "give numbers"),
    ]
    after_acting: list[tuple[Callable[[], Any], str]] = [
        (lambda: agent.act([0.0]), "act: the last action has no outcome yet"),
        (agent.snapshot, "snapshot: the last action has no outcome yet"),
        (lambda: agent.observe(10**400), "give numbers"),
        (lambda: agent.observe("1.5"), "reward=1.5: give numbers"),
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
    agent.begin(4)
    live(agent, 7)
    sound = agent.snapshot()
    agent.restore(sound)
    live(agent, 8)  # and changes nothing in the snapshot
    agent.restore(sound)
    np.testing.assert_array_equal(live(agent, 30, seed=1), expected)
    without = {name: x for name, x in sound.items() if not name.startswith("record/")}
    other = [x + 1 for x in agent.theta]
    for restore, snapshot in (
        (maml_agents[6].restore, sound),
        (agent.restore, sound | {"step": np.int64(99)}),
        (agent.restore, without),
        (Agent(agent.programs, other, agent.observations, agent.actions, about={}, num_envs=2).restore, sound),
    ):
        with pytest.raises(ValueError, match="snapshot: it belongs to another agent"):
            restore(snapshot)


def test_a_snapshot_has_memory_and_what_the_agent_was_told() -> None:
    """The probabilities of the next action are the same, and they depend on both."""
    agent = make(rl2)
    agent.begin(4)
    live(agent, 3, done_every=2)
    snapshot = agent.snapshot()

    def next_logits() -> np.ndarray:
        agent.act([0.0])
        assert agent._life is not None
        assert agent._life.pending is not None
        return np.asarray(agent._life.pending.acted.decision["decision/distribution/0"])

    expected = next_logits()
    agent.begin(5)
    live(agent, 2)
    assert np.abs(next_logits() - expected).max() > 1e-6
    agent.restore(snapshot)
    np.testing.assert_array_equal(next_logits(), expected)
    for name, changed in (("row_memory/0", snapshot["row_memory/0"] + 1), ("row_reward", snapshot["row_reward"] + 1)):
        agent.restore(snapshot | {name: changed})
        assert np.abs(next_logits() - expected).max() > 1e-6


@pytest.mark.slow
def test_memory_lasts_through_the_turns_of_a_segment() -> None:
    """A hypernetwork in two streams: side by side, or one after the other in every segment."""
    tasks = SparsePointNavigation(horizon=4, episodes=3)
    first = make(lambda: jmeta.algorithms.hypernetwork(tasks, num_streams=2, hidden_size=8, num_tasks=4), num_envs=2)
    alone = Agent(first.programs, first.theta, first.observations, first.actions, about={})
    layout = first.programs.layout
    rng = np.random.default_rng(0)
    sizes = (layout.num_segments, layout.segment_length, 2)
    observations, rewards = rng.normal(size=(*sizes, 2)), rng.normal(size=sizes)
    found = np.zeros((2, *sizes, 2))
    for number, agent in enumerate((first, alone)):
        agent.begin(1)
        for segment in range(layout.num_segments):
            for stream in [slice(None)] if number == 0 else [0, 1]:
                for time in range(layout.segment_length):
                    found[number, segment, time, stream] = agent.act(observations[segment, time, stream])
                    agent.observe(rewards[segment, time, stream], False, False, observations[segment, time, stream])
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)
    assert np.abs(found[0, 0] - found[0, 1]).max() > 1e-3


def test_greedy_takes_the_most_likely_action() -> None:
    agent = make(rl2)
    taken: dict[bool, set[int]] = {False: set(), True: set()}
    for seed in range(30):
        for greedy in (False, True):
            agent.begin(seed)
            taken[greedy].add(agent.act([0.0], greedy=greedy))
    assert agent._life is not None
    assert agent._life.pending is not None
    logits = agent._life.pending.acted.decision["decision/distribution/0"]
    always = Agent(agent.programs, agent.theta, agent.observations, agent.actions, about={}, greedy=True)
    for seed in range(5):
        always.begin(seed)
        assert always.act([0.0]) == int(np.argmax(logits))
    agent.begin()
    with pytest.raises(ValueError, match="greedy='no': it must be True or False"):
        agent.act([0.0], greedy="no")  # type: ignore[arg-type]
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


def live_once(agent: Agent) -> np.ndarray:
    agent.begin()
    return agent.act(np.zeros((6, 2)))


def test_what_it_is() -> None:
    found = make(maml, num_envs=6, about={"algorithm": "maml"}).describe()
    assert found["algorithm"] == "maml"
    assert found["adaptation"] == {"num_segments": 3, "segment_length": 5, "num_streams": 6, "needs_next_observation": False}
    scaled, own = live_once(make(maml, num_envs=6)), live_once(make(maml, num_envs=6, action_bounds=(-1, 1)))
    np.testing.assert_allclose(scaled, 0.1 * own, rtol=1e-6)
    low, high = (pytest.approx([side] * 2) for side in (-0.1, 0.1))
    assert found["action"] == {"kind": "continuous", "shape": [2], "low": low, "high": high}
