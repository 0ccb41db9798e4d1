"""Memory: known before a run, and an error with a remedy where there is not enough."""

import jax
import pytest

import jmeta
from jmeta.outer.base import OuterLearner
from jmeta.tasks import BernoulliBandit
from jmeta.training import memory, memory_estimate

GIB = 2**30


def rl2(**fields: int) -> OuterLearner:
    return jmeta.algorithms.rl2(BernoulliBandit(num_pulls=20), **({"hidden_size": 16, "num_tasks": 256} | fields))


@pytest.mark.slow
def test_the_estimate_is_that_of_the_compiled_step_and_grows_with_the_tasks() -> None:
    small, large = (memory_estimate(rl2(num_tasks=n), num_devices=1) for n in (64, 256))
    assert small.total == small.arguments + small.temporary
    weights = sum(leaf.nbytes for leaf in jax.tree.leaves(rl2().init(jax.random.key(0)).theta))
    assert 3 * weights <= large.arguments <= 8 * weights  # theta and the two moments of Adam
    assert large.temporary > 2 * small.temporary


@pytest.mark.slow
def test_memory_is_linear_in_the_lifetime() -> None:
    """10,000 pulls, an episode each, with activations of 100 steps held at once: far within 2 GiB, and 10 times as for 1,000."""
    short, long = (
        memory_estimate(
            jmeta.algorithms.rl2(BernoulliBandit(num_pulls=length), hidden_size=16, num_tasks=64, chunk_length=100), num_devices=1
        ).temporary
        for length in (1_000, 10_000)
    )
    assert long < 12 * short
    assert long < GIB / 8


@pytest.mark.slow
def test_a_run_that_does_not_fit_is_refused_before_it_begins(tmp_path, monkeypatch) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text(f"{2**20}\n")
    monkeypatch.setattr(memory, "CGROUP_LIMIT", limit)
    with pytest.raises(
        ValueError,
        match=r"host devices need together .* MiB, and there are 1\.0 MiB; use microbatch_size below 64, or chunk_length=5",
    ):
        jmeta.train(rl2(), jax.random.key(0), 1, progress=False)
    limit.write_text("1000")
    with pytest.raises(ValueError, match="use members_at_once below 8, or fewer than num_tasks=64"):
        jmeta.train(
            jmeta.algorithms.rl2_es(BernoulliBandit(), hidden_size=4, num_tasks=64, population_size=16),
            jax.random.key(0),
            1,
            progress=False,
        )


def test_without_a_limit_it_is_the_machine_s(tmp_path, monkeypatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "CGROUP_LIMIT", limit)
    machine = memory.host_memory()
    limit.write_text("max\n")
    assert memory.host_memory() == machine > GIB // 4
    limit.write_text(str(1000))
    assert memory.host_memory() == 1000
