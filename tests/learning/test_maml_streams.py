"""MAML adapted by more streams than it was trained with: `make test-learning`."""

import jax
import numpy as np
import pytest

import jmeta
from jmeta.tasks import BernoulliBandit

pytestmark = [pytest.mark.learning, pytest.mark.timeout(3600)]


def test_maml_adapts_alike_with_more_streams_than_it_was_trained_with() -> None:
    """Ten pulls of five arms after one step on 20, 26, 40 and 100 streams: all within .02 a pull, and above .79 (chance .5).

    From 26 streams on the baseline is fitted to more than 255 steps.
    """
    outer = jmeta.algorithms.maml(BernoulliBandit(5, 10), num_tasks=40, inner_rates=(5.0,), learning_rate=3e-3, anneal_steps=300)
    trained = jmeta.train(outer, jax.random.key(0), 300, progress=False)

    def adapted(num_streams: int) -> float:
        protocol = outer.protocol._replace(num_streams=num_streams)
        result = jmeta.evaluate(
            outer.inner, outer.tasks.held_out, trained.theta, jax.random.key(1), protocol=protocol, num_tasks=2000
        )
        return float(result.segment_returns[:, -1].mean()) / 10

    earned = np.array([adapted(number) for number in (20, 26, 40, 100)])
    print(earned)
    assert np.ptp(earned) < 0.02
    assert earned.min() > 0.79
