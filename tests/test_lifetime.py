"""How a lifetime is lived, in an environment whose every number is known: what is recorded, told, and drawn."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from gymnax.environments import environment, spaces

from jmeta import struct
from jmeta.inner.base import InnerLearner
from jmeta.lifetime import LifetimeKeys, live_in, replay, rollout, start
from jmeta.references.classical import Random
from jmeta.tasks import TaskDistribution
from jmeta.types import Continuous, Decision, Lifetime, Protocol, PyTree, Segment, Timestep

HORIZON = 3
KEY = jax.random.key(5)


@struct.dataclass
class Params(environment.EnvParams):
    pays: jax.Array | float = 0.0
    max_steps_in_episode: jax.Array | int = HORIZON


@struct.dataclass
class State(environment.EnvState):
    time: jax.Array


class Clock(environment.Environment[State, Params]):
    """Shows (time, a number drawn at reset or step), pays what the task says and another such number."""

    @property
    def default_params(self) -> Params:
        return Params()

    def reset_env(self, key: jax.Array, params: Params) -> tuple[jax.Array, State]:
        return jnp.stack([0.0, jax.random.uniform(key, minval=-1.0)]), State(time=jnp.array(0, jnp.int32))

    def step_env(self, key: jax.Array, state: State, action: Any, params: Params) -> tuple[Any, ...]:
        time = state.time + 1
        drawn = jax.random.uniform(key, minval=-1.0)
        return jnp.stack([time.astype(float), drawn]), State(time=time), params.pays + drawn, jnp.array(False), {}

    def action_space(self, params: Params | None = None) -> spaces.Box:
        return spaces.Box(-1.0, 1.0, (1,))

    def observation_space(self, params: Params) -> spaces.Box:
        return spaces.Box(-jnp.inf, jnp.inf, (2,))


@dataclasses.dataclass(frozen=True)
class Clocks(TaskDistribution):
    environment = Clock()

    def sample(self, key: jax.Array) -> Params:
        return Params(pays=10.0 + self.uniform(key), max_steps_in_episode=jnp.int32(HORIZON))


@struct.dataclass
class Counter(InnerLearner):
    """Its value is theta times (1,000 adaptations + the steps that its stream has lived)."""

    observation_size: int = struct.field(pytree_node=False, default=2)
    action_space: Continuous = struct.field(pytree_node=False, default=Continuous(1))

    def init(self, key: jax.Array) -> PyTree:
        return jnp.ones(())

    def begin(self, theta: PyTree, num_streams: int, key: jax.Array) -> tuple[PyTree, PyTree]:
        return jnp.zeros(()), jnp.zeros(num_streams)

    def act(self, theta: PyTree, phi: PyTree, memory: PyTree, timestep: Timestep) -> tuple[Decision, PyTree]:
        return Decision(dist.Normal(jnp.zeros(1), 1.0).to_event(1), theta * (1000.0 * phi + memory)), memory + 1.0

    def adapt(self, theta: PyTree, phi: PyTree, memory: PyTree, segment: Segment, key: jax.Array) -> tuple[PyTree, PyTree]:
        return phi + 1.0, memory


TASKS, AGENT = Clocks(), Random(2, Continuous(1))


@pytest.fixture(scope="module")
def lifetime() -> Lifetime:
    """Three segments of 400 episodes, in three streams."""
    task = TASKS.sample(KEY)
    live = partial(live_in, AGENT, TASKS, (), task, LifetimeKeys.of(KEY, KEY), protocol=Protocol(3, 400 * HORIZON, 3))
    return jax.device_get(jax.jit(live)().lifetime)


def test_episodes_follow_each_other(lifetime: Lifetime) -> None:
    """Observed times 0 1 2 0 1 2 ..., each leading to 1 2 3 *before* the reset; the third step is a time limit."""
    segments = lifetime.segments
    time = np.broadcast_to(np.arange(400 * HORIZON)[None, :, None] % HORIZON, segments.reward.shape)
    np.testing.assert_array_equal(segments.timestep.observation[..., 0], time)
    np.testing.assert_array_equal(segments.next_observation[..., 0], time + 1)
    np.testing.assert_array_equal(segments.timestep.first, time == 0)
    np.testing.assert_array_equal(segments.truncated, time == HORIZON - 1)
    assert not segments.terminated.any()


def test_what_is_drawn_is_drawn_anew(lifetime: Lifetime) -> None:
    """Actions, rewards and the observations of resets are uniform on (-1, 1) and not correlated, in time or across streams.

    Of n pairs the correlation has a standard deviation of 1 / sqrt(n): |z| < 4.5 for all of them.
    """
    segments = lifetime.segments
    drawn = {
        "action": segments.action[..., 0],
        "reward": segments.reward - float(TASKS.sample(KEY).pays),
        "reset": segments.timestep.observation[..., 1],  # of steps within an episode it is the reward before
    }
    ends = slice(HORIZON - 1, None, HORIZON)
    begins = slice(HORIZON, None, HORIZON)
    pairs = {
        "action and reward": (drawn["action"], drawn["reward"]),
        "action and reset": (drawn["action"][:, ends][:, :-1], drawn["reset"][:, begins]),
        "reward and reset": (drawn["reward"][:, ends][:, :-1], drawn["reset"][:, begins]),
        "successive actions": (drawn["action"][:, :-1], drawn["action"][:, 1:]),
        "successive rewards": (drawn["reward"][:, :-1], drawn["reward"][:, 1:]),
        "streams": (drawn["action"][..., :-1], drawn["action"][..., 1:]),
        "streams' rewards": (drawn["reward"][..., :-1], drawn["reward"][..., 1:]),
        "segments": (drawn["action"][:-1], drawn["action"][1:]),
    }
    for name, (a, b) in pairs.items():
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) * np.sqrt(a.size) < 4.5, name
    for name, values in drawn.items():
        assert abs(values.mean()) < 0.1, name
        assert values.min() < -0.95, name


def test_the_agent_is_told_of_the_step_before_and_of_nothing_when_it_opens(lifetime: Lifetime) -> None:
    told, segments = lifetime.segments.timestep, lifetime.segments
    np.testing.assert_allclose(told.previous_reward[:, 1:], segments.reward[:, :-1])
    np.testing.assert_allclose(told.previous_reward[1, 0], segments.reward[0, -1])
    np.testing.assert_allclose(told.previous_action[:, 1:], segments.action[:, :-1])
    np.testing.assert_array_equal(told.previous_reward[0, 0], 0.0)
    np.testing.assert_array_equal(told.previous_action[0, 0], 0.0)


def test_a_life_goes_on_where_it_stopped() -> None:
    """A rollout of 2 steps and one of 4 see times 0 1, then 2 0 1 2."""
    life = start(TASKS, TASKS.sample(KEY), ((), ()), num_streams=2, key=KEY)
    times = []
    for length in (2, 4):
        life, segment = rollout(AGENT, TASKS, (), life, length=length, key=KEY)
        times += segment.timestep.observation[:, 0, 0].tolist()
    assert times == [0.0, 1.0, 2.0, 0.0, 1.0, 2.0]


@pytest.fixture(scope="module")
def counted() -> tuple[PyTree, Lifetime]:
    """Four segments of 3 steps in two streams of an agent that counts: what it began with, and its lifetime."""
    inner, theta = Counter(), jnp.ones(())
    keys = LifetimeKeys.of(KEY, KEY)
    live = partial(live_in, inner, TASKS, theta, TASKS.sample(KEY), keys, protocol=Protocol(4, HORIZON, 2))
    begun, _, lifetime = jax.jit(live)()
    return begun, lifetime


def test_a_lifetime_adapts_between_its_segments(counted: tuple[PyTree, Lifetime]) -> None:
    """Values 0 1 2 in the first segment, then 1003 1004 1005: memory runs on, and there are three adaptations."""
    value = np.asarray(counted[1].segments.decision.value)
    expected = np.arange(12.0).reshape(4, 3) + 1000.0 * np.arange(4)[:, None]
    np.testing.assert_array_equal(value, np.stack([expected] * 2, axis=-1))
    assert counted[1].adapt_keys.shape == (3,)


@pytest.mark.parametrize("segments", [None, (0,), (1, 3), (0, 2), (0, 1, 3), (3,)])
def test_a_replay_makes_the_decisions_of_the_segments_that_are_wanted(
    counted: tuple[PyTree, Lifetime], segments: tuple[int, ...] | None
) -> None:
    """Under twice the theta, twice the values; whatever comes before is redone and not returned."""
    begun, lifetime = counted
    again = jax.jit(lambda theta: replay(Counter(), theta, begun, lifetime, segments=segments).value)(2.0 * jnp.ones(()))
    wanted = np.arange(4) if segments is None else np.asarray(segments)
    np.testing.assert_array_equal(again, 2.0 * lifetime.segments.decision.value[wanted])


def test_a_segment_begins_an_episode_and_its_time() -> None:
    """Segments of four steps of an environment that would not end: each is cut at its third step, and so is the next one."""
    endless = Params(pays=jnp.float32(10.0), max_steps_in_episode=jnp.int32(100))
    lived = live_in(AGENT, TASKS, (), endless, LifetimeKeys.of(KEY, KEY), protocol=Protocol(2, 4, 1)).lifetime.segments
    np.testing.assert_array_equal(lived.timestep.observation[:, :, 0, 0], [[0, 1, 2, 0]] * 2)
    np.testing.assert_array_equal(lived.truncated[:, :, 0], [[False, False, True, False]] * 2)


def test_every_stream_and_segment_begins_in_a_state_of_its_own(lifetime: Lifetime) -> None:
    """The environment shows a number that its reset draws: in three streams and three segments it shows nine numbers."""
    drawn = lifetime.segments.timestep.observation[:, 0, :, 1]
    assert drawn.shape == (3, 3)
    assert len(np.unique(drawn)) == 9


def test_a_segment_holds_the_memory_before_its_first_step(counted: tuple[PyTree, Lifetime]) -> None:
    """The counter's memory is the number of steps that a stream has lived: 0, 3, 6 and 9 before the four segments."""
    np.testing.assert_array_equal(counted[1].segments.memory, np.arange(0.0, 12.0, HORIZON)[:, None].repeat(2, axis=1))
