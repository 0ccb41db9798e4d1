"""What an agent that learns from replay sees in the units of running statistics, by hand."""

from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.inner.normalised import Normalised
from jmeta.inner.off_policy import ReplayStep
from jmeta.inner.statistics import Statistics
from jmeta.outer import off_policy
from jmeta.types import MetaState, Timestep


class ShipsRows:
    """Ships the rows it is given."""

    num_shipped = sequence_length = 1

    def ship(self, theta: Any, rows: ReplayStep, is_lived: Any) -> Any:
        return rows


def replayed() -> tuple[Normalised, ReplayStep]:
    """Mean 5, standard deviation 2, rewards in units of 4; a row of one step."""
    statistics = Statistics(jnp.float32(9), jnp.array([5.0]), jnp.array([4.0]), jnp.float32(16.0))
    timestep = Timestep(jnp.array([[7.0]]), jnp.zeros((1, 1)), jnp.array([8.0]), jnp.array([False]), jnp.array([[9.0]]))
    step = ReplayStep(
        timestep,
        jnp.array([0]),
        jnp.array([2.0]),
        jnp.array([False]),
        jnp.array([False]),
        jnp.array([[3.0]]),
        worth=jnp.array([6.0]),
        time=0,
    )  # type: ignore[arg-type]
    return Normalised(ShipsRows(), statistics, observations=True, rewards=True), step


def check_seen(seen: ReplayStep) -> None:
    found = (seen.timestep.observation, seen.timestep.arrival, seen.next_observation)
    np.testing.assert_allclose(np.ravel(found), [1.0, 2.0, -1.0])
    found = (seen.timestep.previous_reward, seen.reward, seen.worth)
    np.testing.assert_allclose(np.ravel(found), [2.0, 0.5, 1.5])


def test_a_step_of_replay_is_seen_in_the_units_of_the_statistics() -> None:
    """What is learned from it too, its worth."""
    agent, step = replayed()
    check_seen(agent.see(step))


def test_what_is_shipped_of_replay_is_in_the_units_of_the_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    agent, step = replayed()
    monkeypatch.setattr(off_policy, "rows_to_ship", lambda *_: (step, jnp.array([True])))
    learner: Any = SimpleNamespace(inner=agent, agent=agent.inner)
    check_seen(off_policy.OffPolicy.deploy(learner, MetaState((), (), ())))


def test_rounding_is_not_taken_for_a_signal() -> None:
    """Of a feature of 1,000 in float32 the sixth digit is the last; one of mean 0 has any unit; one that never varied has 1."""
    statistics = Statistics(jnp.float32(9), jnp.array([1000.0, 0.0, 7.0]), jnp.array([1e-10, 1e-10, 0.0]), jnp.float32(1.0))
    np.testing.assert_allclose(statistics.scale, [1e-3, 1e-5, 1.0], rtol=1e-5)
