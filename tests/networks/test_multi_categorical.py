"""Several choices at a time: numbers by hand, frequencies, gradients of a trust region."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from jmeta.lifetime import most_likely
from jmeta.networks import Categorical, MultiCategorical

COUNTS = (2, 3)
# The first choice has probabilities 1/4 and 3/4, the second 1/2, 1/3 and 1/6; unnormalised by factors 8 and 12.
P = MultiCategorical(jnp.log(jnp.array([2.0, 6.0, 6.0, 4.0, 2.0])), COUNTS)
UNIFORM = MultiCategorical(jnp.zeros(5), COUNTS)


def test_log_probabilities_add_up() -> None:
    # log(3/4 * 1/6) = log(1/8)
    np.testing.assert_allclose(P.log_prob(jnp.array([1, 2])), np.log(1 / 8), rtol=1e-6)
    every = jnp.array([[a, b] for a in range(2) for b in range(3)])
    np.testing.assert_allclose(jnp.exp(P.log_prob(every)).sum(), 1.0, rtol=1e-6)


def test_entropies_add_up() -> None:
    # log 4 / 4 + 3/4 log(4/3) = .5623 and log 2 / 2 + log 3 / 3 + log 6 / 6 = 1.0114
    np.testing.assert_allclose(P.entropy(), 0.562335 + 1.011404, rtol=1e-5)
    np.testing.assert_allclose(UNIFORM.entropy(), np.log(6), rtol=1e-6)


def test_divergences_add_up() -> None:
    # From P to the uniform one it is the difference of entropies, log 6 - 1.573739 = .218020.
    np.testing.assert_allclose(dist.kl_divergence(P, UNIFORM), 0.218020, rtol=1e-4)
    # The other way round: 1/2 log((1/2)^2 / (3/16)) + 1/3 log((1/3)^3 / (1/36)) = .143841 + .095894
    np.testing.assert_allclose(dist.kl_divergence(UNIFORM, P), 0.143841 + 0.095894, rtol=1e-4)


def test_the_hessian_of_the_divergence_is_the_fisher_information() -> None:
    """Of each choice diag(p) - p p', and 0 between the choices: a trust region reads it off the recorded logits."""

    def divergence(logits: jax.Array) -> jax.Array:
        leaves, tree = jax.tree.flatten(P)
        del leaves
        return dist.kl_divergence(P, jax.tree.unflatten(tree, [logits]))

    probabilities = np.array([1 / 4, 3 / 4, 1 / 2, 1 / 3, 1 / 6])
    choice = np.array([0, 0, 1, 1, 1])
    expected = np.diag(probabilities) - np.outer(probabilities, probabilities) * (choice[:, None] == choice)
    np.testing.assert_allclose(jax.hessian(divergence)(P.logits), expected, atol=1e-6)


def test_one_choice_is_the_categorical() -> None:
    logits = jax.nn.log_softmax(jnp.array([0.3, -1.0, 2.0]))
    one, plain = MultiCategorical(logits, (3,)), Categorical(logits)
    np.testing.assert_allclose(one.log_prob(jnp.array([2])), plain.log_prob(jnp.array(2)), rtol=1e-6)
    np.testing.assert_allclose(one.entropy(), plain.entropy(), rtol=1e-6)
    assert int(most_likely(one)[0]) == int(most_likely(plain)) == 2


def test_the_most_likely_is_that_of_each_choice() -> None:
    np.testing.assert_array_equal(P.mode, [1, 0])
    np.testing.assert_array_equal(most_likely(P), [1, 0])
    assert P.support.is_discrete


def test_samples_are_as_frequent_as_they_are_likely_and_independent() -> None:
    number = 100_000
    samples = np.asarray(P.sample(jax.random.key(0), (number,)))
    assert samples.shape == (number, 2)
    assert samples.dtype == np.int32
    for a in range(2):
        for b in range(3):
            expected = float(jnp.exp(P.log_prob(jnp.array([a, b]))))
            found = (samples == [a, b]).all(-1).mean()
            assert abs(found - expected) < 4 * np.sqrt(expected * (1 - expected) / number)


@pytest.mark.parametrize("action", [[0, 0], [1, 2]])
def test_it_is_a_tree_under_vmap_scan_and_rank_promotion(action: list[int]) -> None:
    outputs = jax.random.normal(jax.random.key(1), (4, 3, 5))
    with jax.numpy_rank_promotion("raise"):
        many = jax.vmap(jax.vmap(lambda each: MultiCategorical(each, COUNTS)))(outputs)
        log_prob = jax.vmap(jax.vmap(lambda each: each.log_prob(jnp.array(action))))(many)
    expected = [[MultiCategorical(each, COUNTS).log_prob(jnp.array(action)) for each in row] for row in outputs]
    np.testing.assert_allclose(log_prob, expected, rtol=1e-5)
