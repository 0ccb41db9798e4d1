"""Hypernetworks: what they generate, at first and later, by hand."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jmeta.networks import MLP, Hypernetwork, Network, from_nnx
from jmeta.types import PyTree

TARGET = from_nnx(lambda rngs: nnx.Linear(3, 2, rngs=rngs))


def hypernetwork(widths: tuple[int, ...] = ()) -> Network:
    return from_nnx(lambda rngs: Hypernetwork(4, TARGET, widths, rngs=rngs))


def moved(network: Network) -> PyTree:
    return jax.tree.map(lambda x: x + 0.3 * jax.random.normal(jax.random.key(x.size), x.shape), network.init(jax.random.key(0)))


def test_at_first_it_generates_an_ordinary_initialisation_whatever_it_is_told() -> None:
    wide = from_nnx(lambda rngs: MLP(100, (80,), rngs=rngs))
    network = from_nnx(lambda rngs: Hypernetwork(4, wide, (5,), rngs=rngs))
    parameters = network.init(jax.random.key(0))
    one, other = (network.apply(parameters, jax.random.normal(jax.random.key(seed), (4,))) for seed in (1, 2))
    chex.assert_trees_all_equal(one, other)
    fresh = wide.init(jax.random.key(3))
    chex.assert_trees_all_equal_shapes_and_dtypes(one, fresh)
    for generated, like in zip(jax.tree.leaves(one), jax.tree.leaves(fresh), strict=True):
        np.testing.assert_allclose(generated.std(), like.std(), rtol=0.05)
    another = network.apply(network.init(jax.random.key(9)), jnp.zeros(4))
    assert not np.array_equal(jax.tree.leaves(one)[-1], jax.tree.leaves(another)[-1])  # drawn anew with every key


def test_what_it_generates_is_linear_in_its_last_layer() -> None:
    network = hypernetwork((5,))
    p = moved(network)
    embedding = np.asarray(jax.random.normal(jax.random.key(1), (4,)))
    (layer,) = p["torso"]["layers"].values()
    hidden = np.maximum(embedding @ layer["kernel"] + layer["bias"], 0)
    flat = hidden @ p["weights"]["kernel"] + p["weights"]["bias"]
    generated = network.apply(p, jnp.asarray(embedding))
    np.testing.assert_allclose(generated["bias"], flat[:2], atol=1e-5)
    np.testing.assert_allclose(generated["kernel"], flat[2:].reshape(3, 2), atol=1e-5)


def test_the_embedding_gets_a_gradient_once_the_kernel_has_moved() -> None:
    network = hypernetwork()
    of = lambda p, e: TARGET.apply(network.apply(p, e), jnp.ones(3)).sum()  # noqa: E731
    gradient = jax.grad(of, argnums=(0, 1))
    fresh = network.init(jax.random.key(0))
    of_kernel, of_embedding = gradient(fresh, jnp.ones(4))
    assert (of_embedding == 0).all()
    assert np.abs(of_kernel["weights"]["kernel"]).min() > 0
    assert np.abs(gradient(moved(network), jnp.ones(4))[1]).max() > 0
