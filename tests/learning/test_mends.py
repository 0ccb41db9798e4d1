"""What once went wrong, tried at the length of a training: `make test-learning`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmeta
from jmeta.tasks import BernoulliBandit, TabularMDP

pytestmark = [pytest.mark.learning, pytest.mark.timeout(3600)]


def test_rl2_learns_as_well_where_jax_computes_in_double() -> None:
    """Under jax_enable_x64: 6.63 or more of 6.660, as in single precision (`test_learning.py`)."""
    with jax.enable_x64(True):
        assert jnp.ones(()).dtype == jnp.float64
        outer = jmeta.algorithms.rl2(BernoulliBandit(5, 10), discount=1.0, entropy_coefficient=0.05, anneal_steps=600)
        trained = jmeta.train(outer, jax.random.key(0), 600, progress=False)
        result = jmeta.evaluate(
            outer.inner, outer.tasks.held_out, trained.theta, jax.random.key(1), protocol=outer.protocol, num_tasks=100_000
        )
    print(result.mean_return, result.standard_error)
    assert 6.63 <= result.mean_return <= 6.66 + 4 * result.standard_error


@pytest.mark.parametrize(("algorithm", "metric"), [("maml", "return/after"), ("rl2", "return/lifetime")])
def test_random_mdps_are_learned_with_every_setting_at_its_default(algorithm: str, metric: str) -> None:
    """The linear baseline of MAML sees one-hot states here. An episode of random actions earns 10.0, a lifetime of ten 100."""
    outer = jmeta.algorithms.ALGORITHMS[algorithm](TabularMDP())
    trained = jmeta.train(outer, jax.random.key(0), 200, progress=False)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(trained.theta))
    earned = trained.metrics[metric]
    print(algorithm, earned[:20].mean(), earned[-20:].mean())
    assert earned[-20:].mean() > 1.03 * earned[:20].mean()
