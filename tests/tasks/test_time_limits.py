"""Episodes end at the horizon at the latest, and no task has another idea of the horizon."""

import dataclasses
from typing import Any

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments import environment, spaces
from gymnax.environments.environment import EnvParams

import jmeta
from jmeta import struct
from jmeta.evaluation import Evaluation
from jmeta.references import Random
from jmeta.tasks import Switching, TaskDistribution, ToldTasks
from jmeta.tasks.checks import check_distribution, check_time_limits
from jmeta.types import Protocol

PENDULUM = gymnax.make("Pendulum-v1")[0]  # 200 steps by default


@dataclasses.dataclass(frozen=True)
class Swings(TaskDistribution):
    """Pendulums whose episodes last as long as they say."""

    limits: tuple[int, ...] = (200,)

    @property
    def environment(self) -> Any:
        return PENDULUM

    def sample(self, key: jax.Array) -> Any:
        index = jax.random.randint(key, (), 0, len(self.limits))
        limit = jnp.asarray(self.limits, jnp.int32)[index]
        return PENDULUM.default_params.replace(max_steps_in_episode=limit, g=5.0 + 10.0 * self.uniform(key))


@dataclasses.dataclass(frozen=True)
class LongSwings(Swings):
    """The same, which says that episodes are as long as the longest limit."""

    @property
    def horizon(self) -> int:
        return max(self.limits)


def evaluate(tasks: TaskDistribution, length: int) -> Evaluation:
    inner = Random(tasks.observation_size, tasks.action_space)
    return jmeta.evaluate(inner, tasks, (), jax.random.key(0), protocol=Protocol(1, length, 1), num_tasks=4)


@pytest.mark.parametrize("limits", [(400,), (100, 400)])
def test_tasks_that_last_longer_than_the_horizon_are_refused_before_anything_is_compiled(limits: tuple[int, ...]) -> None:
    match = r"Swings draws tasks with max_steps_in_episode=400, but its horizon.* is 200.*set max_steps_in_episode=400"
    with pytest.raises(ValueError, match=match):
        evaluate(Swings(limits), 800)
    with pytest.raises(ValueError, match=match):
        jmeta.algorithms.rl2(Swings(limits), lifetime_length=800, num_tasks=4)
    with pytest.raises(ValueError, match=match):
        check_distribution(Switching(Swings(limits), at_step=3))
    with pytest.raises(ValueError, match=match):
        check_distribution(ToldTasks(Swings(limits)))


@pytest.mark.parametrize("limits", [(100,), (50, 100)])
def test_a_horizon_that_no_task_reaches_is_refused(limits: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"Swings has a horizon of 200 .* above 100.*define the property `horizon`"):
        evaluate(Swings(limits), 800)


def test_a_limit_below_one_step_is_refused() -> None:
    with pytest.raises(ValueError, match="max_steps_in_episode=0: an episode has at least 1"):
        check_time_limits(Swings((0, 200)))


def test_with_the_horizon_it_asks_for_every_episode_is_counted_in_full() -> None:
    result = evaluate(LongSwings((400,)), 800)
    assert result.episode_returns.shape == (4, 2)
    # Two episodes of 400 steps fill the 800 steps: nothing else was earned in them.
    np.testing.assert_allclose(result.episode_returns.sum(1), result.lifetime_returns, rtol=1e-5)
    assert (result.episode_returns < -100).all()  # costs: no episode is worth 0


def test_where_limits_differ_the_first_episodes_are_whole_ones() -> None:
    result = evaluate(LongSwings((100, 400)), 800)
    assert result.episode_returns.shape == (4, 2)
    assert (result.episode_returns < -100).all()


@struct.dataclass
class State(environment.EnvState):
    time: jax.Array


class Endless(environment.Environment):
    """Pays 1 a step; its clock stands still, so that it never ends an episode."""

    @property
    def default_params(self) -> EnvParams:
        return environment.EnvParams(max_steps_in_episode=5)

    def reset_env(self, key: jax.Array, params: Any) -> tuple:
        return jnp.zeros(1), State(time=jnp.zeros((), jnp.int32))

    def step_env(self, key: jax.Array, state: State, action: Any, params: Any) -> tuple:
        return jnp.zeros(1), state, jnp.ones(()), jnp.array(False), {}

    def action_space(self, params: Any = None) -> spaces.Discrete:
        return spaces.Discrete(2)

    def observation_space(self, params: Any) -> spaces.Box:
        return spaces.Box(-1.0, 1.0, (1,))


ENDLESS = Endless()


@dataclasses.dataclass(frozen=True)
class EndlessTasks(TaskDistribution):
    """One task without an end."""

    @property
    def environment(self) -> Endless:
        return ENDLESS

    @property
    def has_held_out(self) -> bool:
        return False

    def sample(self, key: jax.Array) -> EnvParams:
        return ENDLESS.default_params


def test_an_environment_that_never_ends_is_truncated_at_the_horizon() -> None:
    result = evaluate(EndlessTasks(), 15)
    # Three episodes of 5 steps that pay 1 each.
    np.testing.assert_array_equal(result.episode_returns, np.full((4, 3), 5.0))
    np.testing.assert_array_equal(result.trajectory_returns, np.full((4, 1), 5.0))
    np.testing.assert_array_equal(result.episode_env_steps, [0, 5, 10])


def test_what_is_cut_at_the_horizon_is_truncated_and_not_terminated() -> None:
    from jmeta.lifetime import new_episodes, rollout, start

    tasks = EndlessTasks()
    inner = Random(1, tasks.action_space)
    task = tasks.sample(jax.random.key(0))
    life = start(tasks, task, ((), ()), num_streams=2, key=jax.random.key(1))
    life, segment = rollout(inner, tasks, (), life, length=8, key=jax.random.key(2))
    assert not segment.terminated.any()
    np.testing.assert_array_equal(segment.truncated, np.tile(np.arange(8) == 4, (2, 1)).T)
    np.testing.assert_array_equal(life.time, [3, 3])
    # The clock runs on into the next rollout, 5 - 3 = 2 more steps, and begins anew with a new episode.
    _, on = rollout(inner, tasks, (), life, length=3, key=jax.random.key(3))
    np.testing.assert_array_equal(on.truncated[:, 0], [False, True, False])
    _, anew = rollout(inner, tasks, (), new_episodes(tasks, life, key=jax.random.key(4)), length=5, key=jax.random.key(5))
    np.testing.assert_array_equal(anew.truncated[:, 0], [False, False, False, False, True])
