"""What heads and critics say of actions, against integrals and arithmetic."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.networks import PolicyHead, TanhNormal, TwinActionValues, from_nnx, orthogonal
from jmeta.types import Continuous, Discrete

MEAN, LOG_STD = jnp.array([0.3, -0.8]), jnp.log(jnp.array([0.5, 1.2]))


def test_the_density_of_a_tanh_normal_is_one_over_the_box_and_has_its_mean() -> None:
    """The integral of its density over the box, by midpoints, and E[a] against tanh of many Gaussian draws."""
    sides = (np.arange(800) + 0.5) / 400 - 1.0
    box = jnp.asarray(np.stack(np.meshgrid(sides, sides, indexing="ij"), axis=-1).reshape(-1, 2), jnp.float32)
    density = np.exp(np.asarray(jax.vmap(TanhNormal(MEAN, LOG_STD).log_prob)(box), np.float64)) / 400**2
    assert density.sum() == pytest.approx(1.0, abs=5e-3)
    draws = np.tanh(np.asarray(MEAN) + np.exp(LOG_STD) * np.random.default_rng(0).normal(size=(200_000, 2)))
    np.testing.assert_allclose(density @ np.asarray(box), draws.mean(0), atol=6e-3)


def test_a_draw_comes_with_its_own_log_probability() -> None:
    distribution = TanhNormal(MEAN, LOG_STD)
    action, log_prob = distribution.sample_with_log_prob(jax.random.key(0), (50,))
    np.testing.assert_allclose(log_prob, jax.vmap(distribution.log_prob)(action), rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(action, distribution.sample(jax.random.key(0), (50,)))


@pytest.mark.parametrize("initial_std", [0.1, 1.0])
def test_a_gaussian_policy_begins_with_the_spread_it_was_given(initial_std: float) -> None:
    network = from_nnx(lambda rngs: PolicyHead(4, Continuous(2), initial_std=initial_std, rngs=rngs))
    distribution = network.apply(network.init(jax.random.key(0)), jnp.ones(4))
    np.testing.assert_allclose(distribution.base_dist.scale, [initial_std] * 2, rtol=1e-6)


def test_a_policy_begins_close_to_uniform() -> None:
    """Its last layer is orthogonal times 0.01, so the logits [3] of features of length 1 are no longer than that."""
    assert np.linalg.norm(orthogonal(0.01)(jax.random.key(0), (5, 3)), axis=0) == pytest.approx([0.01] * 3, rel=1e-4)
    network = from_nnx(lambda rngs: PolicyHead(4, Discrete(3), rngs=rngs))
    logits = network.apply(network.init(jax.random.key(0)), jnp.array([0.0, 1.0, 0.0, 0.0])).logits
    assert 0.0 < np.ptp(np.asarray(logits)) < 0.02


def test_twin_critics_share_nothing() -> None:
    network = from_nnx(lambda rngs: TwinActionValues(3, 2, (4,), rngs=rngs))
    theta, x = network.init(jax.random.key(0)), jnp.array([0.5, -1.0, 2.0])
    for twin in range(2):
        gradient = jax.grad(lambda theta, twin=twin: network.apply(theta, x)[twin].sum())(theta)
        for part in ("torsos", "outputs"):
            sizes = [sum(float(jnp.abs(leaf).sum()) for leaf in jax.tree.leaves(gradient[part][which])) for which in (0, 1)]
            assert sizes[twin] > 0
            assert sizes[1 - twin] == 0
