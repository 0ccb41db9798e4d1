"""What is inferred from experience: order, evidence piece by piece, and the product of Gaussians by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.networks import MeanEmbedding, ProductOfGaussians, RecurrentContext, from_nnx, make_core
from jmeta.objectives import gaussian_product

STEPS = jax.random.normal(jax.random.key(0), (7, 3))


def encoder(kind: Any) -> Any:
    extra = (lambda size, rngs: make_core("gru", size, 6, num_layers=1, window=1, rngs=rngs),) if kind is RecurrentContext else ()
    network = from_nnx(lambda rngs: kind(3, (5,), 2, *extra, rngs=rngs))
    theta = network.init(jax.random.key(1))
    return lambda *args, method: network.apply(theta, *args, method=method)


def posterior(apply: Any, *pieces: jax.Array) -> np.ndarray:
    evidence = apply(method="no_evidence")
    for piece in pieces:
        evidence = apply(evidence, piece, method="add")
    return np.asarray(apply(evidence, method="posterior"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [ProductOfGaussians, MeanEmbedding, RecurrentContext])
def test_evidence_may_come_in_pieces_and_none_is_the_prior(kind: Any) -> None:
    apply = encoder(kind)
    np.testing.assert_allclose(posterior(apply), [[0.0, 0.0], [1.0, 1.0]])
    np.testing.assert_allclose(posterior(apply, STEPS), posterior(apply, STEPS[:4], STEPS[4:]), rtol=1e-5)
    assert np.abs(posterior(apply, STEPS) - posterior(apply, STEPS[:4])).max() > 1e-3


@pytest.mark.parametrize(("kind", "ordered"), [(ProductOfGaussians, False), (MeanEmbedding, False), (RecurrentContext, True)])
def test_order_counts_for_the_recurrent_one_alone(kind: Any, ordered: bool) -> None:
    apply = encoder(kind)
    difference = np.abs(posterior(apply, STEPS) - posterior(apply, STEPS[::-1])).max()
    assert (difference > 1e-3) == ordered


def test_the_posterior_is_the_product_of_each_step_s_gaussian_and_narrows() -> None:
    apply = encoder(ProductOfGaussians)
    means, variances = apply(STEPS, method="factors")
    np.testing.assert_allclose(posterior(apply, STEPS), gaussian_product(means, variances, jnp.ones(7)), rtol=1e-5)
    assert (posterior(apply, STEPS)[1] < posterior(apply, STEPS[:6])[1]).all()


@pytest.mark.parametrize(("kind", "narrows"), [(MeanEmbedding, False), (ProductOfGaussians, True)])
def test_the_same_step_twice_tells_a_mean_nothing_new(kind: Any, narrows: bool) -> None:
    apply = encoder(kind)
    once, twice = posterior(apply, STEPS[:1]), posterior(apply, STEPS[:1], STEPS[:1])
    assert (np.abs(once - twice).max() > 1e-3) == narrows
