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
from jmeta.lifetime import live_in_new_task
from jmeta.outer.on_policy import lifetime_metrics
from jmeta.parallel import task_mesh
from jmeta.references import UCB1, Random
from jmeta.tasks import BernoulliBandit, PointNavigation, TaskDistribution
from jmeta.types import TASK_AXES, Decision, Discrete, Protocol

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
        return jnp.zeros(1), state, action.astype(jnp.float32) + params.bonus, state.time >= state.length, {}

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


def test_chunks_bound_memory_and_do_not_show(monkeypatch):
    """A few tasks at a time are lived together; the last chunk may be smaller."""
    agent, tasks, protocol = Scripted(), Counting(lengths=(0,), has_bonus=True), Protocol(1, 6, 1)
    module = sys.modules["jmeta.evaluation.evaluate"]

    def evaluate_and_weigh(env_steps_at_once: int):
        monkeypatch.setattr(module, "ENV_STEPS_AT_ONCE", env_steps_at_once)
        module._live_all.clear_cache()
        result = run(agent, tasks, protocol, num_tasks=302)
        with jax.set_mesh(task_mesh()):
            program = module._live_all.lower((agent, ()), jax.random.split(KEY, 302), tasks=tasks, protocol=protocol)
        module._live_all.clear_cache()
        return result, program.compile().memory_analysis().temp_size_in_bytes

    whole, bytes_of_whole = evaluate_and_weigh(10**6)
    chunked, bytes_of_chunked = evaluate_and_weigh(4 * 6)  # 302 tasks on 2 devices: 37 chunks of 4, and one of 3
    assert bytes_of_chunked < bytes_of_whole / 4
    for field in ("lifetime_returns", "episode_returns", "segment_returns", "trajectory_returns", "episode_env_steps"):
        np.testing.assert_allclose(getattr(chunked, field), getattr(whole, field), rtol=1e-6, err_msg=field)


def test_memory_is_linear_in_the_lifetime():
    """One task, as many episodes as steps: a table of episodes by steps would take 64 times as much for 8 times the length."""
    module = sys.modules["jmeta.evaluation.evaluate"]

    def num_bytes(length: int) -> int:
        program = module._live_all.lower(
            (Scripted(), ()),
            jax.random.split(KEY, 1),
            tasks=BernoulliBandit(num_arms=NUM_ACTIONS),
            protocol=Protocol(1, length, 1),
        )
        return program.compile().memory_analysis().temp_size_in_bytes

    assert num_bytes(8_000) < 9 * num_bytes(1_000)


@dataclasses.dataclass(frozen=True)
class Endless(Counting):
    """Its limit is never reached: a step can't be truncated, and only tasks of a positive length terminate."""

    def step(self, task: Any, state: Any, action: jax.Array, key: jax.Array) -> Any:
        after = super().step(task, state, action, key)
        return after._replace(truncated=jnp.zeros_like(after.truncated))


def test_an_episode_that_is_not_completed_makes_no_number():
    """Half of the tasks have episodes of 5 steps where the horizon is 3: in 6 steps one is completed, not two."""
    tasks = Endless(lengths=(1, 5))
    with pytest.raises(
        ValueError,
        match=r"in \d+ of 20 tasks of Endless a stream completed 1 of 2 episodes in a segment of 6 steps: .* horizon, 3",
    ):
        run(Scripted(), tasks, Protocol(2, 6, 4), num_tasks=20)
    with pytest.raises(ValueError, match=r"in 20 of 20 tasks of Endless a stream completed 0 of 2 episodes"):
        run(Scripted(), Endless(lengths=(7,)), Protocol(2, 6, 4), num_tasks=20)


def test_metrics_of_training_are_of_completed_episodes_only():
    """Reward 1, and 11 after the adaptation: 3 steps make 3 before and 33 after, and an episode of 5 steps makes no number."""
    protocol = Protocol(2, 6, 2)

    def metrics(tasks: TaskDistribution) -> dict[str, float]:
        live = partial(live_in_new_task, Scripted(), tasks, (), protocol=protocol)
        _, lifetimes = jax.vmap(live, out_axes=(0, TASK_AXES))(jax.random.split(KEY, 3))
        return {name: float(value) for name, value in lifetime_metrics(tasks, protocol, lifetimes).items()}

    assert metrics(Counting()) == {"return/before": 3.0, "return/after": 33.0, "return/lifetime": 72.0}
    unfinished = metrics(Endless(lengths=(5,)))
    assert unfinished["return/before"] == 5.0  # it did end, later than the horizon
    assert np.isnan(unfinished["return/after"])  # the second did not


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
        (Protocol(1, 3, 1), 0, "num_tasks=0: evaluate on at least 1 task"),
    ],
)
def test_what_can_not_work_is_refused(protocol, num_tasks, message):
    agent = Scripted(traces=Traces())
    with pytest.raises(ValueError, match=message):
        run(agent, Counting(), protocol, num_tasks)
    assert agent.traces == []


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
