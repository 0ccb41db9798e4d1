"""What an outer learner refuses, before anything is compiled."""

import inspect
import re
from collections.abc import Callable
from functools import partial

import jax
import numpy as np
import pytest

import jmeta
from jmeta.algorithms import ALGORITHMS
from jmeta.outer.base import OuterLearner
from jmeta.outer.ppo import PPO
from jmeta.parallel import tasks_at_once
from jmeta.tasks import BernoulliBandit, PointNavigation
from jmeta.types import Discrete, Protocol, PyTree
from tests.laws.learners import LEARNERS, OUTER_LEARNERS
from tests.laws.learners import build as build_learner

BANDIT = BernoulliBandit(num_arms=3, num_pulls=4)
POINTS = PointNavigation(horizon=6)


def rl2(**fields: int) -> PPO:
    return jmeta.algorithms.rl2(BANDIT, **({"hidden_size": 4, "num_tasks": 8} | fields))


def test_score_must_weigh_each_segment() -> None:
    with pytest.raises(ValueError, match="segment_weights has 2 entries but num_segments is 1: give one weight per segment"):
        rl2().replace(segment_weights=(0.0, 1.0))
    with pytest.raises(ValueError, match="nothing would be learned"):
        rl2().replace(segment_weights=(0.0,))


def test_segments_must_be_whole_episodes() -> None:
    with pytest.raises(ValueError, match=r"segment_length=10 is not a whole number of episodes of 6 steps.*use 12"):
        jmeta.algorithms.maml(POINTS, segment_length=10)
    with pytest.raises(ValueError, match="num_streams=0"):
        rl2().replace(protocol=Protocol(1, 4, 0))


def test_minibatches_must_divide_tasks() -> None:
    with pytest.raises(
        ValueError, match=r"num_tasks=10 can't be split evenly over 1 device\(s\) x 4 minibatch\(es\): use num_tasks=8"
    ):
        rl2(num_tasks=10)


def test_layers_and_minibatches_must_be_positive() -> None:
    with pytest.raises(ValueError, match="hidden_size=-1"):
        rl2(hidden_size=-1)
    with pytest.raises(ValueError, match=r"widths=\(8, 0\)"):
        jmeta.algorithms.maml(POINTS, widths=(8, 0))
    with pytest.raises(ValueError, match="num_minibatches=0"):
        rl2(num_minibatches=0)


def test_epochs_must_be_positive() -> None:
    with pytest.raises(ValueError, match="num_epochs=0"):
        rl2(num_epochs=0)


def test_agent_and_tasks_must_suit_each_other() -> None:
    with pytest.raises(ValueError, match=r"acts in Discrete\(num_actions=3\) but PointNavigation takes Continuous\(size=2\)"):
        rl2().replace(tasks=POINTS, protocol=Protocol(1, 6, 1))
    outer = rl2()
    with pytest.raises(ValueError, match="observations of size 2 but BernoulliBandit gives 1"):
        outer.replace(inner=outer.inner.replace(observation_size=2))
    assert outer.inner.action_space == Discrete(3)


def test_maml_must_adapt() -> None:
    with pytest.raises(ValueError, match="num_inner_steps=0"):
        jmeta.algorithms.maml(POINTS, num_inner_steps=0)
    with pytest.raises(ValueError, match="inner_rates is empty"):
        jmeta.algorithms.maml(POINTS, inner_rates=())


@pytest.mark.slow
def test_mixed_mode_gives_the_meta_gradient_of_reverse_mode() -> None:
    """On MAML's own outer loss with two inner steps, to 1e-5 relative in float32; and the second order matters."""
    outer = jmeta.algorithms.maml(POINTS, widths=(8,), num_streams=4, num_tasks=3, num_inner_steps=2)
    state, keys = outer.init(jax.random.key(0)), jax.random.split(jax.random.key(1), 3)

    def gradient(outer: PPO) -> np.ndarray:
        return flat(jax.jit(lambda state: outer.gradient(state.theta, outer.gather(state, keys)[0])[0])(state))

    mixed = gradient(outer)
    first_order = gradient(outer.replace(inner=outer.inner.replace(first_order=True)))
    reverse = gradient(outer.replace(inner=outer.inner.replace(mixed_mode=False)))
    np.testing.assert_allclose(mixed, reverse, atol=1e-5 * np.abs(reverse).max(), rtol=1e-4)
    assert np.linalg.norm(mixed - first_order) > 0.05 * np.linalg.norm(mixed)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rl2-discrete", "maml-discrete"])
def test_microbatches_add_up_to_the_same_gradient(name: str) -> None:
    outer = OUTER_LEARNERS[name]().replace(num_tasks=6, num_minibatches=1)
    state, keys = outer.init(jax.random.key(0)), jax.random.split(jax.random.key(1), 6)
    experience, _ = jax.jit(outer.gather)(state, keys)

    def gradient(size: int) -> np.ndarray:
        return flat(jax.jit(outer.replace(microbatch_size=size).gradient)(state.theta, experience)[0])

    whole = gradient(6)
    for size in (1, 2):
        np.testing.assert_allclose(gradient(size), whole, atol=1e-5 * np.abs(whole).max())


def test_microbatches_bound_memory() -> None:
    outer = rl2(hidden_size=32, num_tasks=512, num_minibatches=1)
    state, keys = outer.init(jax.random.key(0)), jax.random.split(jax.random.key(1), 512)
    experience, _ = jax.eval_shape(outer.gather, state, keys)

    def temporary_bytes(size: int) -> int:
        gradient = jax.jit(outer.replace(microbatch_size=size).gradient)
        return gradient.lower(state.theta, experience).compile().memory_analysis().temp_size_in_bytes

    assert temporary_bytes(32) < 0.25 * temporary_bytes(512)


def temporary_bytes_of(outer: OuterLearner) -> int:
    state, key = jax.eval_shape(outer.init, jax.random.key(0)), jax.random.key(1)
    return jax.jit(outer.step).lower(state, key).compile().memory_analysis().temp_size_in_bytes


SMALL_MAML = partial(jmeta.algorithms.maml, PointNavigation(horizon=20), widths=(32, 32), num_streams=10)
SMALL_RL2 = partial(jmeta.algorithms.rl2, BernoulliBandit(num_pulls=100), hidden_size=16)


@pytest.mark.parametrize(
    ("build", "remedy", "applied"),
    [
        (
            partial(SMALL_MAML, num_tasks=32),
            "use more than stream_chunks=1, up to num_streams=10, or fewer than num_tasks=32",
            [{"stream_chunks": 10}, {"num_tasks": 16}],
        ),
        pytest.param(
            partial(SMALL_MAML, num_tasks=8, microbatch_size=8),
            "use microbatch_size below 8, or more than stream_chunks=1, up to num_streams=10, or fewer than num_tasks=8",
            [{"microbatch_size": 4}, {"stream_chunks": 2}, {"num_tasks": 4, "microbatch_size": 4}],
            marks=pytest.mark.slow,
        ),
        (
            partial(SMALL_RL2, num_tasks=64),  # 16 in each of 4 minibatches
            "use microbatch_size below 16, or chunk_length=10, or fewer than num_tasks=64",
            [{"microbatch_size": 8}, {"chunk_length": 10}, {"num_tasks": 32}],
        ),
    ],
    ids=["maml", "maml-large-microbatches", "rl2"],
)
def test_each_memory_remedy_needs_less_memory(
    build: Callable[..., OuterLearner], remedy: str, applied: list[dict[str, int]]
) -> None:
    """MAML's rollouts take inner gradients of all tasks at once, so replays of fewer tasks at once, the default, gain nothing."""
    assert build().memory_remedy() == remedy
    before = temporary_bytes_of(build())
    for settings in applied:
        assert temporary_bytes_of(build(**settings)) < 0.9 * before, settings


@pytest.mark.parametrize(
    ("outer", "remedy"),
    [
        (SMALL_RL2(num_tasks=64, chunk_length=5), "use microbatch_size below 16, or fewer than num_tasks=64"),
        (SMALL_MAML(num_tasks=32, stream_chunks=10), "use fewer than num_tasks=32"),
        (
            SMALL_MAML(num_tasks=32, mixed_mode=False),
            "use more than stream_chunks=1, up to num_streams=10 with mixed_mode=True, or",
        ),
        (SMALL_MAML(num_tasks=32, normalize_rewards=True), "use more than stream_chunks=1, up to num_streams=10, or fewer than"),
        (jmeta.algorithms.rl2(BernoulliBandit(num_pulls=97), num_tasks=4), "use fewer than num_tasks=4"),  # no chunks divide 97
    ],
    ids=["small-chunks", "all-chunks", "reverse-mode", "normalised", "prime"],
)
def test_a_memory_remedy_names_what_would_change(outer: OuterLearner, remedy: str) -> None:
    assert outer.memory_remedy().startswith(remedy)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_memory_remedy_names_settings_of_the_algorithm(name: str) -> None:
    every = {setting for build in ALGORITHMS.values() for setting in inspect.signature(build).parameters}
    for variant in LEARNERS[name]:
        named = every & set(re.findall(r"\w+", build_learner(name, variant).memory_remedy()))
        assert named
        assert named <= set(inspect.signature(ALGORITHMS[name]).parameters)


@pytest.mark.slow
def test_chunks_of_streams_bound_memory_and_change_nothing() -> None:
    def measure(chunks: int) -> tuple[np.ndarray, int]:
        outer = jmeta.algorithms.maml(
            PointNavigation(horizon=20), widths=(64,), num_streams=16, num_tasks=2, microbatch_size=2, stream_chunks=chunks
        )
        state = outer.init(jax.random.key(0))
        group, _ = jax.jit(outer.gather)(state, jax.random.split(jax.random.key(1), 2))
        program = jax.jit(lambda theta, group: outer.gradient(theta, group)[0]).lower(state.theta, group).compile()
        return flat(program(state.theta, group)), program.memory_analysis().temp_size_in_bytes

    (whole, whole_bytes), (chunked, chunked_bytes) = measure(1), measure(8)
    np.testing.assert_allclose(chunked, whole, atol=1e-5 * np.abs(whole).max())
    assert chunked_bytes < 0.4 * whole_bytes


def test_chunks_must_divide_the_streams() -> None:
    with pytest.raises(ValueError, match="stream_chunks=3 does not divide num_streams=20: use a divisor, such as 1"):
        jmeta.algorithms.maml(POINTS, stream_chunks=3)


def test_microbatches_must_divide_a_minibatch() -> None:
    with pytest.raises(ValueError, match="microbatch_size=3 does not divide the 2 tasks of a minibatch on one device: use 1, or"):
        rl2().replace(microbatch_size=3)


@pytest.mark.parametrize(
    ("num_tasks", "num_streams", "expected"), [(512, 1, 64), (10, 20, 2), (7, 1, 7), (131, 1, 131), (4, 100, 1)]
)
def test_a_cpu_replays_as_many_tasks_at_once_as_stay_in_cache(num_tasks: int, num_streams: int, expected: int) -> None:
    assert tasks_at_once(num_tasks, num_streams) == expected


def flat(tree: PyTree) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])
