"""Streams of a task: several are mapped over, and a single one has no stream axis."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.lifetime import over_streams, start
from jmeta.lifetime.rollouts import new_episodes
from jmeta.tasks import DarkKeyToDoor


@pytest.mark.parametrize(("num_streams", "seen"), [(3, ((), (2,))), (1, ((), (2,)))])
def test_a_function_is_applied_to_each_stream(num_streams: int, seen: tuple[tuple[int, ...], ...]) -> None:
    """Stream b has the state b and the inputs b, b + 1: the state becomes b + (b + b + 1) = 3 b + 1, and inputs are doubled."""
    shapes = []

    def step(state: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        shapes.append((state.shape, x.shape))
        return state + x.sum(), 2.0 * x

    streams = jnp.arange(num_streams, dtype=jnp.float32)
    state, doubled = over_streams(step)(streams, jnp.stack([streams, streams + 1.0], axis=1))
    np.testing.assert_array_equal(state, 3.0 * streams + 1.0)
    np.testing.assert_array_equal(doubled, np.stack([2.0 * streams, 2.0 * streams + 2.0], axis=1))
    assert shapes == [seen]


@pytest.mark.parametrize("num_streams", [1, 3])
def test_streams_lie_on_the_axes_that_are_given(num_streams: int) -> None:
    """A record [T, B] with time first, as in a replay: sums over time so far [T, B], and the last of them [B]."""

    def unroll(start: jax.Array, record: jax.Array) -> tuple[jax.Array, jax.Array]:
        sums = start + jnp.cumsum(record)
        return sums, sums[-1]

    record = np.arange(4.0 * num_streams, dtype=np.float32).reshape(4, num_streams)
    start = 100.0 * np.arange(num_streams, dtype=np.float32)
    sums, last = over_streams(unroll, in_axes=(0, 1), out_axes=(1, 0))(jnp.asarray(start), jnp.asarray(record))
    np.testing.assert_array_equal(sums, start + np.cumsum(record, axis=0))
    np.testing.assert_array_equal(last, start + record.sum(0))


def test_each_stream_begins_an_episode_in_a_state_of_its_own():
    """Where a reset draws the state: at the start of a lifetime, and again at each segment that begins a new episode."""
    tasks = DarkKeyToDoor(size=9, horizon=3)  # episodes begin in any of 81 cells
    life = start(tasks, tasks.sample(jax.random.key(0)), ((), ()), num_streams=20, key=jax.random.key(1))
    later = new_episodes(tasks, life, key=jax.random.key(2))
    first, second = (np.unique(np.asarray(each.timestep.observation), axis=0) for each in (life, later))
    assert len(first) > 10
    assert len(second) > 10
    assert not np.array_equal(life.timestep.observation, later.timestep.observation)
