"""Where a state lies: on the devices that hold its tasks, from the beginning, and not before memory was checked."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding

import jmeta
from jmeta.comparison import compare
from jmeta.outer.base import STATE_LAYOUT
from jmeta.parallel import BY_TASK, SHARED, task_mesh
from jmeta.training import engine, memory
from jmeta.training.placement import made_on, moved_to, shapes_on
from jmeta.training.programs import TRAININGS_LAYOUT, Trainings
from jmeta.types import MetaState
from tests.comparison.test_comparison import cell, comparison
from tests.training.walk import KEY, Walk


def on_two_devices(layout: Any) -> Any:
    mesh = task_mesh(2)
    return jax.tree.map(lambda spec: NamedSharding(mesh, spec), layout)


def shards(x: jax.Array) -> list[tuple[int, ...]]:
    """Shapes of what each device holds."""
    return [shard.data.shape for shard in x.addressable_shards]


def replay(key: jax.Array) -> MetaState:
    """The slow parameters are theta itself, and four tasks keep 100 steps each."""
    theta = jax.random.normal(key, (3,))
    return MetaState(theta, (), theta, by_task=(jnp.zeros((4, 100)), jnp.zeros((4, 100))))


def test_each_device_holds_its_own_tasks_and_no_two_arrays_a_buffer() -> None:
    layout = on_two_devices(STATE_LAYOUT)
    made = made_on(layout, replay, KEY)
    read = moved_to(layout, jax.tree.map(np.asarray, replay(KEY)))
    for state in (made, read):
        np.testing.assert_array_equal(state.theta, replay(KEY).theta)
        assert shards(state.theta) == shards(state.extra) == [(3,), (3,)]
        assert [shards(kept) for kept in state.by_task] == [[(2, 100), (2, 100)]] * 2
        buffers = [shard.data.unsafe_buffer_pointer() for x in jax.tree.leaves(state) for shard in x.addressable_shards]
        assert len(set(buffers)) == len(buffers) == 8
    donated = jax.jit(lambda state: jax.tree.map(lambda x: x + 1, state), donate_argnums=0)(made)
    np.testing.assert_array_equal(donated.by_task[0], np.ones((4, 100)))


def test_the_program_that_makes_it_makes_only_a_device_s_share() -> None:
    """8 tasks of 1,000 numbers, 4 bytes each: half of that and a few bytes on each of two devices."""
    layout = on_two_devices(BY_TASK)
    program = jax.jit(lambda: jnp.zeros((8, 1000)), out_shardings=layout).lower().compile()
    assert program.memory_analysis().output_size_in_bytes < 8 * 1000 * 4 / 2 + 100
    shape = shapes_on((layout, on_two_devices(SHARED)), (jnp.zeros((8, 1000)), {"key": KEY}))
    assert shape[0].sharding.spec == BY_TASK
    assert shape[1]["key"].sharding.spec == SHARED
    assert shape[1]["key"].dtype == KEY.dtype


def test_trainings_of_a_comparison_lie_as_one_training_does() -> None:
    """Two trainings: each device has both, with half of the tasks."""

    def both() -> Trainings:
        states = jax.vmap(replay)(jax.random.split(KEY, 2))
        return Trainings(states, jnp.zeros(2, jnp.int32), jnp.zeros(2, jnp.int32))

    trainings = made_on(on_two_devices(TRAININGS_LAYOUT), both)
    assert shards(trainings.state.theta) == [(2, 3), (2, 3)]
    assert shards(trainings.state.by_task[0]) == [(2, 2, 100), (2, 2, 100)]


def test_nothing_is_made_that_does_not_fit(tmp_path, monkeypatch) -> None:
    def made(*_: Any) -> Any:
        raise AssertionError("the state was made before memory was checked")

    limit = tmp_path / "memory.max"
    limit.write_text("10\n")
    monkeypatch.setattr(memory, "CGROUP_LIMIT", limit)
    monkeypatch.setattr(engine, "made_on", made)
    with pytest.raises(ValueError, match="an outer step does not fit"):
        jmeta.train(Walk(), KEY, 3, progress=False)
    outcome = compare(comparison(cell()), tmp_path / "comparison")
    assert "an outer step does not fit" in str(outcome.results[0].error)
