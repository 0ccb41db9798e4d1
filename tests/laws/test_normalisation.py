"""Laws of running normalisation, for every algorithm of the registry."""

import dataclasses
import inspect
from functools import partial
from pathlib import Path
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmeta
from jmeta.algorithms import ALGORITHMS
from jmeta.inner.normalised import MEASURED, Normalised
from jmeta.inner.statistics import Statistics, running_returns
from jmeta.lifetime import live_in_new_task, replay
from jmeta.outer.normalised import Normalising
from jmeta.outer.on_policy import OnPolicy
from jmeta.outer.random_lives import live_randomly
from jmeta.tasks import BernoulliBandit, GridNavi, PointNavigation, SparsePointNavigation
from jmeta.types import Lifetime, PyTree, Segment, Task, Timestep
from tests.laws.learners import FINE_TUNED

KEY = jax.random.key(7)
BOTH = {"normalize_observations": True, "normalize_rewards": True}
FEW_ACTIONS = ("dqn", "maml-dqn")
FAST = ("rl2",)
"""Every other is a slow test."""
SMALL: dict[str, Any] = {
    "widths": (8,),
    "hidden_size": 8,
    "encoder_widths": (8,),
    "policy_widths": (8,),
    "num_streams": 4,
    "num_tasks": 8,
    "num_training_tasks": 8,
    "num_epochs": 1,
    "num_minibatches": 2,
    "population_size": 4,
    "belief_batch_size": 4,
    "num_belief_updates": 1,
    "buffer_steps": 2,
    "num_passes": 2,
    "batch_size": 8,
    "capacity": 60,
    "num_cg_steps": 2,
} | FINE_TUNED
EVERY = [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in ALGORITHMS]


class OtherUnits:
    """Tasks whose observations and rewards are told in other units: o * 1024 + shift and r * 4, exact in floating point."""

    factor, shift, pay = 1024.0, 0.0, 4.0

    def reset(self, task: Task, key: jax.Array) -> tuple[jax.Array, PyTree]:
        observation, state = super().reset(task, key)  # type: ignore[misc]
        return self.told(observation), state

    def step(self, task: Task, state: PyTree, action: jax.Array, key: jax.Array) -> Any:
        after = super().step(task, state, action, key)  # type: ignore[misc]
        return after._replace(observation=self.told(after.observation), reward=after.reward * self.pay)

    def told(self, observation: jax.Array) -> jax.Array:
        return observation * self.factor + self.shift


@dataclasses.dataclass(frozen=True)
class FarPoints(OtherUnits, SparsePointNavigation):
    pass


@dataclasses.dataclass(frozen=True)
class FarGrid(OtherUnits, GridNavi):
    pass


@dataclasses.dataclass(frozen=True)
class ShiftedPoints(OtherUnits, PointNavigation):
    factor, shift, pay = 1.0, 500.0, 1.0


def built(name: str, *, far: bool = False, **settings: Any) -> Any:
    """An algorithm of the registry, small."""
    tasks: Any
    if name in FEW_ACTIONS:
        tasks = (FarGrid if far else GridNavi)(size=3, horizon=4)
        settings = {"num_segments": 2} | settings if name == "maml-dqn" else settings
    else:
        tasks = (FarPoints if far else SparsePointNavigation)(horizon=4, episodes=2)
    known = inspect.signature(ALGORITHMS[name]).parameters
    return ALGORITHMS[name](tasks, **{k: v for k, v in SMALL.items() if k in known}, **settings)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_has_the_two_settings_off_by_default_and_explained(name: str) -> None:
    parameters = inspect.signature(ALGORITHMS[name]).parameters
    described = inspect.getdoc(ALGORITHMS[name]) or ""
    for setting in BOTH:
        assert parameters[setting].default is False
        assert f"\n  {setting}: " in described.partition("\nReturns:")[0].partition("\nArgs:")[2]
    off = built(name)
    assert not isinstance(off, Normalising)
    on = built(name, normalize_observations=True)
    assert isinstance(on, Normalising)
    assert type(on.learner) is type(off)


@pytest.mark.parametrize("name", EVERY)
def test_every_algorithm_takes_a_step_with_both(name: str) -> None:
    """Traced, not compiled: the statistics are measured, merged and nothing but that; the agent's theta is its own."""
    outer = built(name, **BOTH)
    state = jax.eval_shape(outer.init, KEY)
    after, metrics = jax.eval_shape(outer.step, state, KEY)
    chex.assert_trees_all_equal_shapes_and_dtypes(state, after)
    assert all(value.shape == () for value in metrics.values())
    assert not set(MEASURED) & set(metrics)
    own = jax.eval_shape(outer.learner.init, KEY).theta
    chex.assert_trees_all_equal_shapes_and_dtypes(state.theta.parameters, own)
    shipped = jax.eval_shape(outer.deploy, after)
    assert shipped.statistics.mean.shape == (outer.tasks.observation_size,) == (outer.inner.observation_size,)


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_who_normalises_does_not_notice_the_units(name: str) -> None:
    """An outer step in other units is the same step: adaptation, replay, credit, losses and what is shipped all normalise.

    1024 and 4 are powers of two, so the two programs differ in no rounding; only what is reported keeps the task's units.
    """

    def two_steps(outer: Normalising) -> tuple[PyTree, Any]:
        step = jax.jit(outer.step)
        state = jax.jit(outer.init)(KEY)
        after, _ = step(state, KEY)
        chex.assert_trees_all_equal_shapes_and_dtypes(state, after)
        assert float(after.theta.statistics.num_steps - state.theta.statistics.num_steps) == outer.num_env_steps
        after, metrics = step(after, jax.random.key(8))
        assert step._cache_size() == 1
        assert all(np.ndim(value) == 0 for value in metrics.values())
        return jax.jit(outer.deploy)(after), metrics

    near, metrics = two_steps(built(name, **BOTH))
    far, far_metrics = two_steps(built(name, far=True, **BOTH))
    chex.assert_tree_all_finite((near, metrics))
    chex.assert_trees_all_close(near.parameters, far.parameters, atol=1e-5, rtol=1e-4)
    sizes = len(near.statistics.mean), SparsePointNavigation().observation_size
    units = np.where(np.arange(sizes[0]) < (sizes[1] if name == "oracle" else sizes[0]), 1024.0, 1.0)  # told tasks have their own
    np.testing.assert_allclose(far.statistics.mean, near.statistics.mean * units, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(far.statistics.variance, near.statistics.variance * units**2, rtol=1e-4)
    np.testing.assert_allclose(far.statistics.return_square, near.statistics.return_square * 16.0, rtol=1e-4, atol=1e-9)
    for metric in ("return/before", "return/after", "return/lifetime"):
        np.testing.assert_allclose(far_metrics[metric], 4.0 * metrics[metric], rtol=1e-4, atol=1e-4)
    if "loss" in metrics:
        np.testing.assert_allclose(far_metrics["loss"], metrics["loss"], rtol=1e-3, atol=1e-5)
    assert not set(MEASURED) & set(metrics)


def test_who_does_not_normalise_notices() -> None:
    """The law above can fail."""

    def actions(outer: Any) -> np.ndarray:
        theta = outer.inner.init(KEY)
        live = jax.jit(lambda key: live_in_new_task(outer.inner, outer.tasks, theta, key, protocol=outer.protocol)[1])
        return np.asarray(live(KEY).segments.action)

    assert np.abs(actions(built("average")) - actions(built("average", far=True))).max() > 1e-3


@pytest.mark.parametrize("name", EVERY)
def test_a_replay_decides_under_the_statistics_that_the_record_was_lived_with(name: str) -> None:
    outer = built(name, far=True, **BOTH)
    state = jax.jit(outer.init)(KEY)

    @jax.jit
    def both(state: PyTree) -> tuple[jax.Array, ...]:
        inner, theta = outer.inner, state.theta
        _, begin_key, _ = jax.random.split(KEY, 3)  # as live_in_new_task does
        _, lifetime = live_in_new_task(inner, outer.tasks, theta, KEY, protocol=outer.protocol)
        begun = inner.begin(theta, outer.protocol.num_streams, begin_key)
        again = replay(inner, theta, begun, lifetime)
        probability = lambda d, a: d.distribution.log_prob(a)  # noqa: E731
        for _ in range(3):
            probability = jax.vmap(probability)
        action = lifetime.segments.action
        observation = lifetime.segments.timestep.observation
        seen = Normalised(RAW, theta.statistics, observations=True, rewards=True).see(lifetime.segments.timestep).observation
        return probability(lifetime.segments.decision, action), probability(again, action), observation, seen

    recorded, again, observation, seen = both(state)
    np.testing.assert_allclose(recorded, again, atol=2e-5, rtol=2e-5)
    assert np.abs(observation).max() > 20 * np.abs(seen).max()  # the record holds what the task gave, not what the agent saw


def test_statistics_are_those_of_everything_seen() -> None:
    """Merged batch by batch, they are the moments of all batches together; an offset of 500 costs no digits."""
    rng = np.random.default_rng(0)
    spread = np.array([1.0, 0.01, 300.0, 0.0])
    batches = [500.0 + k + spread * rng.normal(size=(2, 5, 3, 2, 4)) for k in range(4)]  # [K, T, N, B, D], means that drift
    rewards = [rng.normal(size=(2, 5, 3, 2)) for _ in batches]
    lifetimes = [lifetimes_of(o, r) for o, r in zip(batches, rewards, strict=True)]
    statistics = Statistics.of(lifetimes[0])
    for each in lifetimes[1:]:
        measured = Normalised(RAW, statistics, observations=True, rewards=True).measure(each)
        statistics = statistics.merge(measured, 60)
    every = np.concatenate([b.reshape(-1, 4) for b in batches])
    assert float(statistics.num_steps) == 240
    np.testing.assert_allclose(statistics.mean, every.mean(0), rtol=1e-6)
    np.testing.assert_allclose(statistics.variance[:3], every.var(0)[:3], rtol=2e-4)
    squares = [np.square(discounted(r)).mean() for r in rewards]
    np.testing.assert_allclose(statistics.return_square, np.mean(squares), rtol=1e-5)


def test_returns_begin_anew_with_an_episode() -> None:
    """Rewards 1, 2 | 4 at a discount of .99, an episode beginning before the third: 1, 2 + .99, 4."""
    segments = lifetimes_of(np.zeros((1, 3, 1, 1, 1)), np.array([1.0, 2.0, 4.0]).reshape(1, 3, 1, 1)).segments
    segments = dataclasses.replace(
        segments, timestep=segments.timestep._replace(first=jnp.array([True, False, True]).reshape(1, 3, 1, 1))
    )
    np.testing.assert_allclose(running_returns(segments).ravel(), [1.0, 2.99, 4.0], rtol=1e-6)


def test_what_is_seen_by_hand() -> None:
    """Mean 500 and standard deviation 2: 503 is 1.5, 400 is clipped to -10; a feature that never varied is only centred.

    The root mean square of returns is 5: a reward of 2 is 0.4.
    """
    statistics = Statistics(jnp.float32(9), jnp.array([500.0, 500.0, 7.0]), jnp.array([4.0, 4.0, 0.0]), jnp.float32(25))
    agent = Normalised(RAW, statistics, observations=True, rewards=True)
    timestep = Timestep(
        jnp.array([503.0, 400.0, 8.0]), jnp.zeros(1), jnp.float32(2.0), jnp.bool_(False), jnp.array([501.0, 502.0, 7.0])
    )
    seen = agent.see(timestep)
    np.testing.assert_allclose(seen.observation, [1.5, -10.0, 1.0])
    np.testing.assert_allclose(seen.arrival, [0.5, 1.0, 0.0])
    np.testing.assert_allclose(seen.previous_reward, 0.4)
    assert agent.replace(rewards=False).see(timestep).previous_reward == 2.0
    np.testing.assert_array_equal(agent.replace(observations=False).see(timestep).observation, timestep.observation)


def test_one_outer_step_merges_exactly_the_lifetimes_it_lived() -> None:
    outer = built("rl2", far=True, **BOTH)
    state = jax.jit(outer.init)(KEY)
    after, _ = jax.jit(outer.step)(state, KEY)
    learner = outer.under(state.theta.statistics)
    assert isinstance(learner, OnPolicy)
    plain = state._replace(theta=state.theta.parameters)
    experience, _ = jax.jit(learner.gather)(plain, jax.random.split(KEY, outer.num_tasks))
    first = live_randomly(outer.tasks, outer.protocol.segment_length, 64, jax.random.fold_in(KEY, 1))
    seen = [np.asarray(x.segments.timestep.observation, np.float64).reshape(-1, 2) for x in (first, experience.lifetimes)]
    every = np.concatenate(seen)
    np.testing.assert_allclose(after.theta.statistics.mean, every.mean(0), rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(after.theta.statistics.variance, every.var(0), rtol=1e-4)


def test_no_gradient_flows_into_statistics() -> None:
    outer = built("rl2", **BOTH)
    theta = jax.jit(outer.init)(KEY).theta
    timestep = Timestep(jnp.ones(2), jnp.ones(2), jnp.ones(()), jnp.bool_(False), jnp.ones(2))

    def log_prob(theta: PyTree) -> jax.Array:
        phi, memory = outer.inner.begin(theta, 1, KEY)
        decision, _ = outer.inner.act(theta, phi, jax.tree.map(lambda x: x[0], memory), timestep)
        return decision.distribution.log_prob(jnp.ones(2))

    gradient = jax.grad(log_prob)(theta)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient.statistics))
    assert any(np.any(leaf) for leaf in jax.tree.leaves(gradient.parameters))


@pytest.mark.slow
def test_statistics_are_saved_shipped_and_frozen(tmp_path: Path) -> None:
    outer = built("average", far=True, **BOTH)
    result = jmeta.train(outer, KEY, 2, out=tmp_path / "run", progress=False)
    _, state = jmeta.restore(outer, tmp_path / "run")
    chex.assert_trees_all_equal(outer.deploy(state), result.theta)
    assert float(result.theta.statistics.num_steps) == 64 * 8 + 2 * outer.num_env_steps
    score = partial(jmeta.evaluate, protocol=outer.protocol, num_tasks=8)
    raw = score(outer.inner, outer.tasks.held_out, result.theta, KEY)
    plain = outer.under(result.theta.statistics).inner  # the same agent, with its statistics given
    np.testing.assert_array_equal(
        raw.lifetime_returns, score(plain, outer.tasks.held_out, result.theta.parameters, KEY).lifetime_returns
    )
    near = score(outer.inner, SparsePointNavigation(horizon=4, episodes=2).held_out, in_units_of(result.theta), KEY)
    np.testing.assert_allclose(raw.lifetime_returns, 4.0 * near.lifetime_returns, rtol=1e-5, atol=1e-5)  # raw rewards


def test_rewards_that_are_told_apart_by_value_are_not_normalised() -> None:
    bandit = BernoulliBandit(num_arms=2)
    with pytest.raises(ValueError, match="normalize_rewards=True with reward_values"):
        jmeta.algorithms.varibad(bandit, reward_values=(0.0, 1.0), normalize_rewards=True)
    grid = GridNavi(size=3, horizon=4, sight="one-hot")
    one_state = {"reward_decoder": "one-state", "reward_values": (-0.1, 1.0)}
    with pytest.raises(ValueError, match="observed one-hot"):
        jmeta.algorithms.varibad(grid, **one_state, normalize_observations=True)
    with pytest.raises(ValueError, match="nothing to normalise"):
        Normalising(jmeta.algorithms.rl2(bandit), observations=False, rewards=False)


class _Raw:
    """Stands for an inner learner where none is asked."""


RAW: Any = _Raw()


def lifetimes_of(observation: np.ndarray, reward: np.ndarray) -> Lifetime:
    """Lifetimes [K, T, N, B] that saw and earned this, each segment one episode."""
    first = np.broadcast_to(np.arange(reward.shape[1])[None, :, None, None] == 0, reward.shape)
    observation = jnp.asarray(observation, jnp.float32)
    timestep = Timestep(observation, jnp.zeros(1), jnp.zeros(reward.shape), jnp.asarray(first), observation)
    nothing: Any = ()
    reward = jnp.asarray(reward, jnp.float32)
    return Lifetime(Segment(nothing, timestep, nothing, reward, nothing, nothing, nothing, nothing), nothing)


def discounted(reward: np.ndarray) -> np.ndarray:
    """Returns so far at a discount of .99 along axis 1."""
    returns, earned = np.zeros_like(reward), np.zeros_like(reward[:, 0])
    for t in range(reward.shape[1]):
        earned = reward[:, t] + 0.99 * earned
        returns[:, t] = earned
    return returns


def in_units_of(theta: Any) -> Any:
    """A theta of far tasks for the near ones."""
    s = theta.statistics
    return theta._replace(statistics=Statistics(s.num_steps, s.mean / 1024.0, s.variance / 1024.0**2, s.return_square / 16.0))
