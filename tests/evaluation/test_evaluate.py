"""Evaluation: every number by hand, on an environment whose returns can be counted."""

import dataclasses
import sys
from functools import partial
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from gymnax.environments import environment, spaces

import jmeta
from jmeta import struct
from jmeta.evaluation import standard_error
from jmeta.inner.base import InnerLearner
from jmeta.inner.update_rules import GradientDescent
from jmeta.lifetime import live_in_new_task, most_likely
from jmeta.networks.heads import TanhNormal
from jmeta.outer.metrics import lifetime_metrics
from jmeta.parallel import task_mesh
from jmeta.references import UCB1, Random
from jmeta.tasks import BernoulliBandit, PointNavigation, TaskDistribution
from jmeta.training import memory
from jmeta.types import TASK_AXES, Decision, Discrete, Protocol, RolloutOptions

KEY = jax.random.key(3)
HORIZON, NUM_ACTIONS = 3, 64


@struct.dataclass
class CountingState(environment.EnvState):
    time: jax.Array
    length: jax.Array  # of this episode


@struct.dataclass
class CountingParams(environment.EnvParams):
    """The task: what every step pays besides, and how long its episodes are; 0 draws each from 1, 2, 3."""

    bonus: jax.Array = struct.field(default_factory=lambda: jnp.zeros(()))
    length: jax.Array = struct.field(default_factory=lambda: jnp.asarray(HORIZON, jnp.int32))
    number: jax.Array = struct.field(default_factory=lambda: jnp.zeros(()))  # changes nothing: no two tasks have the same
    max_steps_in_episode: int = HORIZON


class CountingEnvironment(environment.Environment[CountingState, CountingParams]):
    """Pays the number of the action, and the task's bonus."""

    @property
    def default_params(self) -> CountingParams:
        return CountingParams()

    def reset_env(self, key: jax.Array, params: CountingParams) -> tuple[jax.Array, CountingState]:
        drawn = jax.random.randint(key, (), 1, HORIZON + 1)
        length = jnp.where(params.length > 0, params.length, drawn)
        return jnp.zeros(1), CountingState(time=jnp.zeros((), jnp.int32), length=length)

    def step_env(
        self, key: jax.Array, state: CountingState, action: jax.Array, params: CountingParams
    ) -> tuple[jax.Array, CountingState, jax.Array, jax.Array, dict[str, Any]]:
        state = state.replace(time=state.time + 1)
        info = {
            "cost": action,
            "success": action >= 1,
            "nested": {"time": state.time},
            "discount": jnp.float32(0.9),
            "one": state.time[None],
            "picture": jnp.zeros((2, 2)),
            "text": "not a number",
        }
        return jnp.zeros(1), state, action.astype(jnp.float32) + params.bonus, state.time >= state.length, info

    def action_space(self, params: CountingParams | None = None) -> spaces.Discrete:
        return spaces.Discrete(NUM_ACTIONS)

    def observation_space(self, params: CountingParams) -> spaces.Box:
        return spaces.Box(0.0, 0.0, (1,))


ENVIRONMENT = CountingEnvironment()


@dataclasses.dataclass(frozen=True)
class Counting(TaskDistribution):
    """A bonus uniform on (0, 1), if any, and one of ``lengths``."""

    lengths: tuple[int, ...] = (HORIZON,)
    has_bonus: bool = False

    @property
    def environment(self) -> CountingEnvironment:
        return ENVIRONMENT

    def sample(self, key: jax.Array) -> CountingParams:
        bonus_key, length_key = jax.random.split(key)
        return CountingParams(
            bonus=self.uniform(bonus_key) * self.has_bonus,
            number=self.uniform(bonus_key),
            length=jax.random.choice(length_key, jnp.asarray(self.lengths, jnp.int32)),
        )


@struct.dataclass
class Scripted(InnerLearner):
    """Acts ``start + apart * stream``, then ``stride`` more at every step of the lifetime, and 10 more after each adaptation.

    Attributes:
      traces: if a list, grows whenever ``act`` is traced.
    """

    start: Any = 1
    stride: Any = 0
    apart: Any = 0
    traces: Any = struct.field(pytree_node=False, default=None)
    observation_size: int = struct.field(pytree_node=False, default=1)
    action_space: Any = struct.field(pytree_node=False, default=Discrete(NUM_ACTIONS))

    def init(self, key):
        return ()

    def begin(self, theta, num_streams, key):
        return jnp.zeros((), jnp.int32), self.start + self.apart * jnp.arange(num_streams)

    def act(self, theta, phi, memory, timestep):
        if self.traces is not None:
            self.traces.append(1)
        logits = jnp.where(jnp.arange(NUM_ACTIONS) == memory + 10 * phi, 0.0, -1e9)
        return Decision(dist.CategoricalLogits(logits), jnp.zeros(())), memory + self.stride

    def adapt(self, theta, phi, memory, segment, key):
        return phi + 1, memory


class Traces(list):
    """A list that JAX may use as a cache key."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__


def run(agent: InnerLearner, tasks: TaskDistribution, protocol: Protocol, num_tasks: int = 5, key: jax.Array = KEY):
    return jmeta.evaluate(agent, tasks, (), key, protocol=protocol, num_tasks=num_tasks)


def test_constant_reward():
    """2 segments of 6 steps in 4 streams, reward 1 at each step, and 1 + 10 after the adaptation between them.

    Episodes last L steps in a task, 3 at most: so the first 6 / 3 = 2 of each segment count, worth L each. The first begins with
    the segment and the second L steps later, 4 streams together 4 L; the second segment begins after 6 x 4 = 24.
    """
    result = run(Scripted(), Counting(lengths=(1, 2, 3)), Protocol(2, 6, 4), num_tasks=20)
    length = result.episode_returns[:, 0]
    assert sorted(set(length)) == [1.0, 2.0, 3.0]
    np.testing.assert_array_equal(result.episode_returns, np.stack([length, length, 11 * length, 11 * length], axis=1))
    np.testing.assert_array_equal(result.segment_returns, np.tile([6, 66], (20, 1)))
    np.testing.assert_array_equal(result.trajectory_returns, np.stack([length, 11 * length], axis=1))
    np.testing.assert_array_equal(result.lifetime_returns, np.full(20, 72))
    np.testing.assert_allclose(result.episode_env_steps, [0, 4 * length.mean(), 24, 24 + 4 * length.mean()], rtol=1e-6)
    np.testing.assert_array_equal(result.segment_env_steps, [0, 24])
    assert (result.num_tasks, result.mean_return, result.standard_error) == (20, 72.0, 0.0)


def test_growing_reward():
    """The agent plays 0, 1, 2, ... and is paid that: episodes of 2 steps earn 0 + 1 and 2 + 3 of the segment's 0 + ... + 5 = 15.

    Memory runs on: the next segment pays 6, 7, ... and, adapted once, 10 more each: 16 + 17, 18 + 19, and 16 + ... + 21 = 111.
    """
    result = run(Scripted(start=0, stride=1), Counting(lengths=(2,)), Protocol(2, 6, 1))
    np.testing.assert_array_equal(result.episode_returns, np.tile([1, 5, 33, 37], (5, 1)))
    np.testing.assert_array_equal(result.segment_returns, np.tile([15, 111], (5, 1)))
    np.testing.assert_array_equal(result.trajectory_returns, np.tile([(1 + 5 + 9) / 3, (33 + 37 + 41) / 3], (5, 1)))
    np.testing.assert_array_equal(result.lifetime_returns, np.full(5, 126))


def test_quick_episodes_count_more_often_among_trajectories():
    """Episodes of 2 steps earn 0 + 1, and the third step of the segment opens one that does not end within it.

    With lengths drawn anew, trajectories are all that end: their returns are lengths, of which the short ones are more.
    """
    result = run(Scripted(start=0, stride=1), Counting(lengths=(2,)), Protocol(1, 3, 1))
    np.testing.assert_array_equal(result.trajectory_returns, np.ones((5, 1)))
    drawn = run(Scripted(), Counting(lengths=(0,)), Protocol(1, 30, 8), num_tasks=50)
    assert drawn.trajectory_returns.mean() < drawn.episode_returns[:, 0].mean()


def test_streams_are_averaged_and_their_steps_added():
    """Streams play 1, 3 and 5, 3 on the average."""
    result = run(Scripted(apart=2), Counting(), Protocol(1, 6, 3))
    np.testing.assert_array_equal(result.episode_returns, np.full((5, 2), 9.0))  # 3 steps of 3
    np.testing.assert_array_equal(result.lifetime_returns, np.full(5, 18.0))
    np.testing.assert_array_equal(result.episode_env_steps, [0, 9])


def test_episodes_that_end_at_random():
    """Reward 1 a step makes an episode's return its length, and so the step at which the next one begins."""
    result = run(Scripted(), Counting(lengths=(0,)), Protocol(1, 9, 2), num_tasks=400)
    assert result.episode_returns.shape == (400, 3)
    assert set(np.unique(result.episode_returns)) == {1.0, 1.5, 2.0, 2.5, 3.0}  # means of two streams
    np.testing.assert_allclose(result.episode_env_steps[1], 2 * result.episode_returns[:, 0].mean(), rtol=1e-6)
    np.testing.assert_allclose(result.episode_env_steps[2], 2 * result.episode_returns[:, :2].sum(1).mean(), rtol=1e-6)
    np.testing.assert_array_equal(result.lifetime_returns, np.full(400, 9.0))
    # Lengths 1, 2, 3 are equally likely: mean 2, variance 2/3, of 800 streams. z = 4.
    assert result.episode_returns.mean(0) == pytest.approx(np.full(3, 2.0), abs=4 * np.sqrt(2 / 3 / 800))


def test_the_task_is_the_same_in_all_of_its_episodes_and_no_other():
    result = run(Scripted(start=0), Counting(lengths=(1,), has_bonus=True), Protocol(1, 6, 1), num_tasks=50)
    np.testing.assert_array_equal(result.episode_returns[:, 0], result.episode_returns[:, 1])
    np.testing.assert_allclose(result.lifetime_returns, 6 * result.episode_returns[:, 0], rtol=1e-6)
    assert len(np.unique(result.lifetime_returns)) == 50


def test_the_same_key_means_the_same_tasks_for_any_agent():
    """On a bonus alone, whoever plays 0 is paid for the task it is in."""
    tasks, protocol = Counting(has_bonus=True), Protocol(1, 3, 1)
    one = run(Scripted(start=0), tasks, protocol).lifetime_returns
    np.testing.assert_allclose(run(Scripted(start=2), tasks, protocol).lifetime_returns, one + 3 * 2, rtol=1e-5)
    with_memory = run(Scripted(start=0, stride=1), tasks, Protocol(1, 3, 2), num_tasks=3)  # plays 0, 1, 2
    np.testing.assert_allclose(with_memory.lifetime_returns, one[:3] + 3, rtol=1e-5)
    other = run(Scripted(start=0), tasks, protocol, key=jax.random.key(4))
    held_out = run(Scripted(start=0), tasks.held_out, protocol)
    assert (other.split, held_out.split) == ("train", "held-out")
    for different in (other, held_out):
        assert not np.isclose(different.lifetime_returns, one, rtol=1e-7).any()


@pytest.mark.slow
def test_chunks_bound_memory_and_do_not_show(monkeypatch):
    """A few tasks at a time are lived together; the last chunk may be smaller."""
    agent, tasks, protocol = Scripted(), Counting(lengths=(0,), has_bonus=True), Protocol(1, 6, 1)
    module = sys.modules["jmeta.evaluation.evaluate"]

    def evaluate_and_weigh(env_steps_at_once: int):
        monkeypatch.setattr(module, "ENV_STEPS_AT_ONCE", env_steps_at_once)
        result = run(agent, tasks, protocol, num_tasks=302)
        size = 2 * min(151, env_steps_at_once // 6)
        with jax.set_mesh(task_mesh()):
            keys = jax.random.split(KEY, 302)
            program = module.live_chunk.lower((agent, ()), keys, None, 0, size=size, tasks=tasks, protocol=protocol, greedy=False)
        return result, program.compile().memory_analysis().temp_size_in_bytes

    whole, bytes_of_whole = evaluate_and_weigh(10**6)
    chunked, bytes_of_chunked = evaluate_and_weigh(4 * 6)  # 302 tasks on 2 devices: 38 chunks of 4 on each, the last padded
    assert bytes_of_chunked < bytes_of_whole / 4
    for field in ("lifetime_returns", "episode_returns", "segment_returns", "trajectory_returns", "episode_env_steps"):
        np.testing.assert_allclose(getattr(chunked, field), getattr(whole, field), rtol=1e-6, err_msg=field)


def test_memory_is_linear_in_the_lifetime():
    """One task, as many episodes as steps: a table of episodes by steps would take 64 times as much for 8 times the length."""
    module = sys.modules["jmeta.evaluation.evaluate"]

    def num_bytes(length: int) -> int:
        program = module.live_chunk.lower(
            (Scripted(), ()),
            jax.random.split(KEY, 1),
            None,
            0,
            size=1,
            tasks=BernoulliBandit(num_arms=NUM_ACTIONS),
            protocol=Protocol(1, length, 1),
            greedy=False,
        )
        return program.compile().memory_analysis().temp_size_in_bytes

    assert num_bytes(8_000) < 9 * num_bytes(1_000)


@dataclasses.dataclass(frozen=True)
class Endless(Counting):
    """Its limit is never reached: only the rollout truncates, at the horizon."""

    def step(self, task: Any, state: Any, action: jax.Array, key: jax.Array) -> Any:
        after = super().step(task, state, action, key)
        return after._replace(truncated=jnp.zeros_like(after.truncated))


def test_an_episode_that_the_environment_does_not_end_is_cut_at_the_horizon():
    """Episodes of 7 steps where the horizon is 3: 6 steps are two episodes, of 1 a step, and of 11 after the adaptation."""
    result = run(Scripted(), Endless(lengths=(7,)), Protocol(2, 6, 4), num_tasks=20)
    np.testing.assert_array_equal(result.episode_returns, np.tile([3.0, 3.0, 33.0, 33.0], (20, 1)))


def test_an_episode_that_is_not_completed_makes_no_number():
    """In 6 steps two episodes of at most 3 are promised; in one task of three a stream completed one, in another none."""
    tasks, protocol = Counting(), Protocol(2, 6, 4)
    check = sys.modules["jmeta.evaluation.evaluate"].check_episodes
    check(tasks, protocol, np.array([2, 6, 2]))
    message = r"in 2 of 3 tasks of Counting a stream completed 0 of 2 episodes in a segment of 6 steps: .* its horizon, 3,"
    with pytest.raises(ValueError, match=message):
        check(tasks, protocol, np.array([2, 1, 0]))


def test_the_fewest_completed_episodes_are_counted(monkeypatch):
    """Episodes of 2 steps: 3 are completed in each of 2 segments of 6 by each of 4 streams. Of random ones the fewest count."""
    counted = []
    monkeypatch.setattr(sys.modules["jmeta.evaluation.evaluate"], "check_episodes", lambda *arguments: counted.append(arguments))
    tasks, protocol = Counting(lengths=(2,)), Protocol(2, 6, 4)
    run(Scripted(), tasks, protocol)
    ((_, _, completed),) = counted
    np.testing.assert_array_equal(completed, np.full(5, 3))
    run(Scripted(), Counting(lengths=(0,)), Protocol(2, 6, 8))  # of 1 to 3 steps: 16 streams of 6 steps complete 2 to 6
    assert counted[1][-1].max() <= 3


def test_metrics_of_training_are_of_completed_episodes_only():
    """Reward 1, and 11 after the adaptation: 3 steps make 3 before and 33 after; an episode that does not end makes no number."""
    protocol = Protocol(2, 6, 2)
    live = partial(live_in_new_task, Scripted(), Counting(), (), protocol=protocol)
    _, lifetimes = jax.vmap(live, out_axes=(0, TASK_AXES))(jax.random.split(KEY, 3))
    expected = {"return/before": 3.0, "return/after": 33.0, "return/lifetime": 72.0}
    assert {name: float(x) for name, x in lifetime_metrics(Counting(), protocol, lifetimes).items()} == expected
    segments = lifetimes.segments
    ended = segments.terminated | segments.truncated
    assert ended[1, 5].all()
    cut_off = lifetimes._replace(
        segments=dataclasses.replace(segments, terminated=ended.at[1, 5, 0, 1].set(False), truncated=jnp.zeros_like(ended))
    )
    metrics = lifetime_metrics(Counting(), protocol, cut_off)
    assert metrics["return/before"] == 3.0
    assert np.isnan(metrics["return/after"])  # of one stream of one task


# Tasks, infos and actions


def test_the_tasks_are_kept_beside_their_returns():
    """Playing 0 for 3 steps earns 3 times the task's bonus, so return against bonus is a line."""
    result = run(Scripted(start=0), Counting(has_bonus=True).held_out, Protocol(1, 3, 1), num_tasks=7)
    assert result.tasks.bonus.shape == (7,)
    np.testing.assert_allclose(result.lifetime_returns, 3 * result.tasks.bonus, rtol=1e-6)


def test_evaluation_of_given_tasks(tmp_path):
    """Bonuses 0, 2 and 4 on top of 1 a step for 3 steps; a list and a batch alike; episodes of 1, 2 and 3 steps."""
    given = [CountingParams(bonus=jnp.float32(2 * i), length=jnp.int32(i + 1)) for i in range(3)]
    batch = jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *given)
    for tasks in (given, batch):
        result = jmeta.evaluate(Scripted(), Counting(), (), KEY, protocol=Protocol(1, 3, 1), given=tasks)
        np.testing.assert_array_equal(result.lifetime_returns, [3, 9, 15])
        np.testing.assert_array_equal(result.episode_returns[:, 0], [1, 6, 15])
        np.testing.assert_array_equal(result.tasks.bonus, [0, 2, 4])
        assert (result.split, result.num_tasks) == ("given", 3)
    result.save(tmp_path / "given.npz")
    with np.load(tmp_path / "given.npz") as saved:
        np.testing.assert_array_equal(saved["tasks/bonus"], [0, 2, 4])
        np.testing.assert_array_equal(saved["episode_returns"], result.episode_returns)


@pytest.mark.parametrize(
    ("given", "num_tasks", "message"),
    [
        ([], None, r"given=\[\] has no tasks"),
        ([(1.0, 2)], None, "the given tasks are not like those of Counting"),
        (CountingParams(), None, r"a single task is given: give a list, \[task\]"),
        ([CountingParams(bonus=jnp.zeros(2))], None, r"a given task has a leaf \[2\] where those of Counting have \[\]"),
        (
            [CountingParams(max_steps_in_episode=4)],
            None,
            r"a given task has episodes of 4 steps, but the horizon of Counting is 3",
        ),
        ([CountingParams()], 2, "num_tasks=2, but 1 tasks are given: leave num_tasks out"),
    ],
)
def test_given_tasks_that_are_no_tasks_are_refused(given, num_tasks, message):
    with pytest.raises(ValueError, match=message):
        jmeta.evaluate(Scripted(), Counting(), (), KEY, protocol=Protocol(1, 3, 1), given=given, num_tasks=num_tasks)


def test_info_by_episode():
    """The second of 2 streams plays 1 more a step: a cost of 3 x 0 and 3 x 1 in the first episode, 1.5 on the average.

    Success, an action of 1 or more, comes to one stream of two; after the adaptation, with 10 more, to both.
    """
    result = run(Scripted(start=0, apart=1), Counting(), Protocol(2, 3, 2))
    assert set(result.infos) == {"cost", "success", "nested/time", "one"}  # no text, no picture, not gymnax's discount
    np.testing.assert_array_equal(result.infos["cost"], np.tile([1.5, 31.5], (5, 1)))
    np.testing.assert_array_equal(result.infos["success"], np.tile([0.5, 1.0], (5, 1)))
    np.testing.assert_array_equal(result.infos["nested/time"], np.full((5, 2), 1 + 2 + 3))
    np.testing.assert_array_equal(result.infos["one"], result.infos["nested/time"])
    assert result.summary()["infos"]["success"] == [0.5, 1.0]


@struct.dataclass
class Wavering(Scripted):
    """Plays 2 with probability 0.4, and 0 and 4 with 0.3 each; in a box, 0.25 give or take 1."""

    def act(self, theta, phi, memory, timestep):
        if isinstance(self.action_space, Discrete):
            probabilities = jnp.zeros(NUM_ACTIONS).at[jnp.array([0, 2, 4])].set(jnp.array([0.3, 0.4, 0.3]))
            return Decision(dist.CategoricalLogits(jnp.log(probabilities + 1e-30)), jnp.zeros(())), memory
        return Decision(dist.Normal(jnp.full(2, 0.25), jnp.ones(2)).to_event(1), jnp.zeros(())), memory


def test_greedy_actions_are_the_most_likely_ones():
    """3 steps of action 2 earn 6 in every task; sampled actions earn other sums too."""
    arguments = (Wavering(), Counting(), (), KEY)
    greedy, sampled = (jmeta.evaluate(*arguments, protocol=Protocol(1, 3, 1), num_tasks=20, greedy=g) for g in (True, False))
    np.testing.assert_array_equal(greedy.lifetime_returns, np.full(20, 6.0))
    assert len(set(sampled.lifetime_returns)) > 2
    assert (greedy.greedy, sampled.greedy) == (True, False)
    assert greedy.summary()["greedy"]


def test_greedy_actions_in_a_box_are_means():
    tanh = TanhNormal(jnp.array([0.5, -2.0]), jnp.zeros(2))
    np.testing.assert_allclose(most_likely(tanh), np.tanh([0.5, -2.0]), rtol=1e-6)
    np.testing.assert_allclose(most_likely(dist.Normal(jnp.full(2, 0.25), jnp.ones(2)).to_event(1)), [0.25, 0.25])


def test_some_streams_may_be_greedy():
    """The first of 3 streams plays 2 at every one of 30 steps; the others play 0 and 4 too."""
    _, lifetime = live_in_new_task(Wavering(), Counting(), (), KEY, protocol=Protocol(1, 30, 3), options=RolloutOptions(greedy=1))
    actions = np.asarray(lifetime.segments.action)[0]
    assert set(actions[:, 0]) == {2}
    assert [set(actions[:, stream]) for stream in (1, 2)] == [{0, 2, 4}] * 2


def test_training_keeps_no_info():
    _, lifetime = live_in_new_task(Scripted(), Counting(), (), KEY, protocol=Protocol(1, 3, 1))
    assert lifetime.segments.info == ()


# Memory and progress


def test_what_does_not_fit_into_memory_is_refused(tmp_path, monkeypatch):
    """10,000 segments x 1,000,000 tasks: 2 x 10,000 episodes and 2 x 10,000 segments of 4 bytes in each, 160 GB."""
    limit = tmp_path / "memory.max"
    limit.write_text(f"{2**30}")
    monkeypatch.setattr(memory, "CGROUP_LIMIT", limit)
    agent = Scripted(traces=Traces())
    with pytest.raises(
        ValueError, match=r"returns of 1,000,000 tasks with 10,000 episodes each need 149\.0 GiB, and there are 1\.0 GiB: .*fewer"
    ):
        run(agent, Counting(), Protocol(10_000, 3, 1), num_tasks=1_000_000)
    assert agent.traces == []
    monkeypatch.setattr(sys.modules["jmeta.evaluation.evaluate"], "ENV_STEPS_AT_ONCE", 10)
    limit.write_text("2000")
    with pytest.raises(ValueError, match=r"a lifetime does not fit: .* evaluate with fewer segments, streams or steps"):
        run(Scripted(), Counting(), Protocol(1, 300, 1), num_tasks=1)


def test_a_lifetime_longer_than_a_chunk(monkeypatch):
    """Compiled ahead, to see what memory it needs; it earns the same."""
    protocol = Protocol(2, 6, 4)
    expected = run(Scripted(), Counting(), protocol)
    monkeypatch.setattr(sys.modules["jmeta.evaluation.evaluate"], "ENV_STEPS_AT_ONCE", 10)
    np.testing.assert_array_equal(run(Scripted(), Counting(), protocol).episode_returns, expected.episode_returns)


def test_progress_is_shown_where_it_takes_long(monkeypatch, capsys):
    monkeypatch.setattr(sys.modules["jmeta.evaluation.evaluate"], "ENV_STEPS_AT_ONCE", 6)
    monkeypatch.setattr(sys.modules["jmeta.evaluation.progress"], "SECONDS_BETWEEN_LINES", 0.0)
    arguments = (Scripted(), Counting(), (), KEY)
    for progress in (True, False):
        jmeta.evaluate(*arguments, protocol=Protocol(1, 6, 1), num_tasks=6, progress=progress)
        err = capsys.readouterr().err
        assert ("evaluated 2 of 6 tasks" in err, "evaluated 4 of 6 tasks" in err) == (progress, progress)
        assert "6 of 6" not in err


def test_devices_do_not_show():
    """5 tasks on 2 devices: one lives a task more, which is not counted."""
    arguments = (Scripted(), Counting(lengths=(0,), has_bonus=True), Protocol(1, 6, 1))
    assert len(jax.local_devices()) > 1
    on_all = run(*arguments)
    with jax.set_mesh(task_mesh(1)):
        on_one = run(*arguments)
    assert on_all.num_tasks == on_one.num_tasks == 5
    np.testing.assert_allclose(on_all.episode_returns, on_one.episode_returns, rtol=1e-6)
    np.testing.assert_allclose(on_all.episode_env_steps, on_one.episode_env_steps, rtol=1e-6)


def test_a_second_call_does_not_compile_again():
    agent, tasks = Scripted(traces=Traces()), Counting()
    run(agent, tasks, Protocol(1, 3, 1))
    traced = len(agent.traces)
    assert traced > 0
    for seed in (4, 5):
        run(agent, Counting(), Protocol(1, 3, 1), key=jax.random.key(seed))
    assert len(agent.traces) == traced
    run(agent, tasks, Protocol(1, 6, 1))
    assert len(agent.traces) > traced


@pytest.mark.parametrize(
    ("protocol", "num_tasks", "message"),
    [
        (Protocol(1, 4, 1), 5, r"segment_length=4 is not a whole number of episodes of 3 steps .*: use 3"),
        (Protocol(1, 5, 1), 5, r"segment_length=5 .*: use 6"),
        (Protocol(0, 3, 1), 5, "num_segments=0: it must be at least 1"),
        (Protocol(1, 3, -2), 5, "num_streams=-2: it must be at least 1"),
        (Protocol(1, 3, 1), 0, "num_tasks=0: it must be at least 1"),
        (Protocol(1, 3, 1), 4.5, "num_tasks=4.5: it must be a whole number"),
        (Protocol(1, 3, 1), "4", "num_tasks='4': it must be a whole number"),
        (Protocol(1, 3.0, 1), 5, "segment_length=3.0: it must be a whole number"),
    ],
)
def test_what_can_not_work_is_refused(protocol, num_tasks, message):
    agent = Scripted(traces=Traces())
    with pytest.raises(ValueError, match=message):
        run(agent, Counting(), protocol, num_tasks)
    assert agent.traces == []


def test_what_is_no_protocol_and_no_theta_is_refused():
    agent, tasks, protocol = Scripted(traces=Traces()), Counting(), Protocol(1, 3, 1)
    with pytest.raises(TypeError, match=r"protocol=\(1, 3, 1\): give a jmeta.Protocol\(num_segments="):
        jmeta.evaluate(agent, tasks, (), KEY, protocol=(1, 3, 1))
    with pytest.raises(TypeError, match="theta is None: give the deployed theta"):
        jmeta.evaluate(agent, tasks, None, KEY, protocol=protocol)


# Learners


def test_untrained_agents():
    """Both algorithms, before any training: shapes, and returns that are possible."""
    bandit = jmeta.algorithms.rl2(BernoulliBandit(num_pulls=3), hidden_size=4, num_tasks=16, num_minibatches=2)
    point = jmeta.algorithms.maml(PointNavigation(horizon=5), widths=(4,), num_streams=2, num_tasks=4)
    for outer, shapes, lowest, highest in (
        (bandit, ((6, 3), (6, 1)), 0.0, 1.0),
        # Start and goal are at most sqrt(0.5) apart, and 5 steps of 0.1 per axis lead at most 0.5 sqrt(2) further.
        (point, ((6, 2), (6, 2)), -5 * (np.sqrt(0.5) + np.sqrt(0.5)), 0.0),
    ):
        theta = outer.deploy(outer.init(KEY))
        result = jmeta.evaluate(outer.inner, outer.tasks.held_out, theta, KEY, protocol=outer.protocol, num_tasks=6)
        assert (result.episode_returns.shape, result.segment_returns.shape) == shapes
        assert result.lifetime_returns.shape == (6,)
        np.testing.assert_allclose(result.segment_returns.sum(1), result.lifetime_returns, rtol=1e-5)
        assert (result.episode_returns >= lowest).all()
        assert (result.episode_returns <= highest).all()
        assert result.split == "held-out"
        assert result.protocol == outer.protocol
    np.testing.assert_array_equal(result.segment_env_steps, [0, 5 * 2])


def test_classical_learners():
    """The same evaluator scores them, on the same tasks: knowing nothing earns half of the pulls, UCB1 more."""
    tasks, protocol = BernoulliBandit(num_arms=2, num_pulls=40), Protocol(1, 40, 1)
    build = partial(dict, observation_size=tasks.observation_size, action_space=tasks.action_space)
    random, ucb = (
        jmeta.evaluate(agent, tasks.held_out, (), KEY, protocol=protocol, num_tasks=1000)
        for agent in (Random(**build()), UCB1(**build(exploration=0.3)))
    )
    assert random.mean_return == pytest.approx(20, abs=4 * random.standard_error)
    difference = ucb.lifetime_returns - random.lifetime_returns  # paired: the tasks are the same
    assert difference.mean() > 4 * standard_error(difference)
    assert ucb.episode_returns[:, -10:].mean() > ucb.episode_returns[:, :10].mean()


# Summaries


def test_standard_error():
    """1, 2, 3, 6: mean 3, squared deviations 4 + 1 + 0 + 9 = 14, variance 14/3, over 4 values."""
    assert standard_error(np.asarray([1.0, 2.0, 3.0, 6.0])) == pytest.approx(np.sqrt(14 / 3 / 4))
    assert standard_error(np.asarray([1.0])) == np.inf


def test_summary():
    lifetime = np.asarray([1.0, 2.0, 3.0, 6.0], np.float32)
    result = jmeta.evaluation.Evaluation(
        lifetime_returns=lifetime,
        episode_returns=np.stack([lifetime, 2 * lifetime], 1),
        segment_returns=lifetime[:, None],
        trajectory_returns=2 * lifetime[:, None],
        episode_env_steps=np.asarray([0.0, 2.5]),
        segment_env_steps=np.asarray([0]),
        protocol=Protocol(1, 6, 1),
        split="ood",
        infos={"cost": lifetime[:, None]},
    )
    error = pytest.approx(np.sqrt(14 / 3 / 4))
    assert result.summary() == {
        "mean_return": 3.0,
        "standard_error": error,
        "episode_returns": [3.0, 6.0],
        "episode_standard_errors": [error, pytest.approx(2 * np.sqrt(14 / 3 / 4))],
        "segment_returns": [3.0],
        "segment_standard_errors": [error],
        "trajectory_returns": [6.0],
        "env_steps": [0.0, 2.5],
        "segment_env_steps": [0],
        "num_tasks": 4,
        "split": "ood",
        "greedy": False,
        "infos": {"cost": [3.0]},
        "protocol": {"num_segments": 1, "segment_length": 6, "num_streams": 1},
    }
    alone = dataclasses.replace(
        result,
        lifetime_returns=lifetime[:1],
        episode_returns=result.episode_returns[:1],
        segment_returns=result.segment_returns[:1],
        trajectory_returns=result.trajectory_returns[:1],
    ).summary()
    assert alone["standard_error"] is None  # JSON has no infinity
    assert alone["episode_standard_errors"] == [None, None]
    assert alone["segment_standard_errors"] == [None]


def test_a_learner_that_jit_could_take_for_another_is_refused():
    @flax.struct.dataclass
    class Flax(Scripted):
        pass

    with pytest.raises(TypeError, match=r"Flax is a flax\.struct\.dataclass.*decorate it with jmeta\.struct\.dataclass"):
        jmeta.evaluate(Flax(), Counting().held_out, (), KEY, protocol=Protocol(1, 3, 1))


def test_an_agent_whose_inner_steps_diverge_is_refused() -> None:
    """Actions sampled from NaN are some action or other, which earns what chance earns."""
    outer = jmeta.algorithms.maml(BernoulliBandit(3, 2), widths=(), num_streams=2, num_tasks=2)
    inner = outer.inner.replace(rule=GradientDescent(jnp.array([jnp.nan])))
    live = (inner, outer.tasks, inner.init(jax.random.key(0)), jax.random.key(1))
    with pytest.raises(
        FloatingPointError, match=r"in 8 of 8 tasks .* of this MAML are NaN, in task 0 from segment 1 on: adapting"
    ):
        jmeta.evaluate(*live, protocol=outer.protocol, num_tasks=8)
