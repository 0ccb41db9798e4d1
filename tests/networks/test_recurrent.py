"""The GRU against NumPy, and the NNX boundary."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jmeta.networks import GRU, MLP, PolicyHead, from_nnx, orthogonal
from jmeta.networks.recurrent import LONG
from jmeta.types import Continuous, Discrete, PyTree


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_gru_equals_its_equations() -> None:
    network = from_nnx(lambda rngs: GRU(3, 4, rngs=rngs))
    parameters = jax.tree.map(lambda x: x + 0.1, network.init(jax.random.key(0)))
    h, x = np.random.default_rng(0).normal(size=4), np.random.default_rng(1).normal(size=3)
    W, b = (np.asarray(parameters["inputs"][name], np.float64) for name in ("kernel", "bias"))
    U, c = (np.asarray(parameters[name], np.float64) for name in ("recurrent_kernel", "recurrent_bias"))
    inputs, recurrent = x @ W + b, h @ U
    r, z = sigmoid(inputs[:4] + recurrent[:4]), sigmoid(inputs[4:8] + recurrent[4:8])
    n = np.tanh(inputs[8:] + r * (recurrent[8:] + c))
    expected = (1 - z) * n + z * h
    memory, output = network.apply(parameters, jnp.asarray(h, jnp.float32), jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(memory, expected, atol=1e-5)
    np.testing.assert_allclose(output, expected, atol=1e-5)


def test_gru_unroll_equals_steps() -> None:
    network = from_nnx(lambda rngs: GRU(2, 5, rngs=rngs))
    parameters = network.init(jax.random.key(0))
    xs = jax.random.normal(jax.random.key(1), (7, 2))
    memory = jnp.linspace(-1.0, 1.0, 5)
    last, outputs = network.apply(parameters, memory, xs, method="unroll")
    for index, x in enumerate(xs):
        memory, output = network.apply(parameters, memory, x)
        np.testing.assert_allclose(output, outputs[index], atol=1e-6)
    np.testing.assert_allclose(memory, last, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("with_resets", [False, True])
def test_a_long_gru_has_the_derivative_of_its_steps(with_resets: bool) -> None:
    length, num_lifetimes = LONG + 3, 4
    network = from_nnx(lambda rngs: GRU(3, 5, rngs=rngs))
    parameters = jax.tree.map(lambda x: x + 0.1, network.init(jax.random.key(0)))
    xs = jax.random.normal(jax.random.key(1), (num_lifetimes, length, 3))
    resets = jax.random.bernoulli(jax.random.key(2), 0.1, (num_lifetimes, length)) & with_resets
    memory = jax.random.normal(jax.random.key(3), (num_lifetimes, 5))
    weights = jax.random.normal(jax.random.key(4), (length, 5))

    def at_once(parameters: PyTree, memory: jax.Array, xs: jax.Array, resets: jax.Array) -> jax.Array:
        last, outputs = network.apply(parameters, memory, xs, resets if with_resets else None, method="unroll")
        return (weights * outputs).sum() + (last**2).sum()

    def by_steps(parameters: PyTree, memory: jax.Array, xs: jax.Array, resets: jax.Array) -> jax.Array:
        step = lambda h, inputs: network.apply(parameters, jnp.where(inputs[1], 0.0, h), inputs[0])  # noqa: E731
        last, outputs = jax.lax.scan(step, memory, (xs, resets))
        return (weights * outputs).sum() + (last**2).sum()

    def derivatives(function: Callable[..., jax.Array]) -> PyTree:
        every = jax.vmap(function, (None, 0, 0, 0))
        of_all = jax.grad(lambda *args: every(*args, resets).sum(), argnums=(0, 1, 2))
        of_each = jax.vmap(jax.grad(function, argnums=(0, 1, 2)), (None, 0, 0, 0))
        along = lambda args: jax.tree.map(jnp.ones_like, args)  # noqa: E731
        second = jax.jvp(of_all, (parameters, memory, xs), along((parameters, memory, xs)))[1]
        return of_all(parameters, memory, xs), of_each(parameters, memory, xs, resets), second

    for ours, expected in zip(
        *(jax.tree.leaves(jax.jit(derivatives, static_argnums=0)(f)) for f in (at_once, by_steps)), strict=True
    ):
        np.testing.assert_allclose(ours, expected, rtol=2e-4, atol=2e-4)


def test_recurrent_weights_begin_orthogonal_gate_by_gate() -> None:
    kernel = from_nnx(lambda rngs: GRU(2, 6, rngs=rngs)).init(jax.random.key(0))["recurrent_kernel"]
    gates = np.split(np.asarray(kernel), 3, axis=1)
    for gate in gates:
        np.testing.assert_allclose(gate @ gate.T, np.eye(6), atol=1e-5)
    assert np.abs(gates[0] - gates[1]).max() > 0.1


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (256, 256), (4, 1)])
def test_orthogonal_weights(shape: tuple[int, int]) -> None:
    weights = np.asarray(orthogonal(2.0)(jax.random.key(3), shape))
    assert weights.shape == shape
    small = weights.T @ weights if shape[0] >= shape[1] else weights @ weights.T
    np.testing.assert_allclose(small, 4.0 * np.eye(min(shape)), atol=2e-5)


def test_orthogonal_weights_have_no_preferred_direction() -> None:
    """Each entry of a uniformly random 3 x 3 orthogonal matrix has mean 0 and variance 1/3."""
    weights = np.asarray(jax.vmap(lambda key: orthogonal()(key, (3, 3)))(jax.random.split(jax.random.key(0), 10_000)))
    np.testing.assert_allclose(weights.mean(0), 0.0, atol=4 * np.sqrt(1 / 3 / 10_000))
    np.testing.assert_allclose(np.square(weights).mean(0), 1 / 3, atol=4 * np.sqrt(4 / 45 / 10_000))


def test_parameters_are_plain_strongly_typed_dictionaries() -> None:
    network = from_nnx(lambda rngs: MLP(2, (4, 3), rngs=rngs))
    parameters = network.init(jax.random.key(0))
    assert isinstance(parameters, dict)
    assert sorted(x.shape for x in jax.tree.leaves(parameters)) == [(2, 4), (3,), (4,), (4, 3)]
    shapes = jax.eval_shape(network.init, jax.random.key(0))
    assert not any(x.weak_type for x in jax.tree.leaves(shapes))
    other = network.init(jax.random.key(1))
    assert np.abs(jax.tree.leaves(parameters)[1] - jax.tree.leaves(other)[1]).max() > 0
    doubled = jax.tree.map(lambda x: 2 * x, parameters)
    assert network.apply(doubled, jnp.ones(2)).shape == (3,)


@pytest.mark.parametrize(("space", "action"), [(Discrete(3), jnp.int32(1)), (Continuous(2), jnp.array([0.3, -2.0]))])
def test_heads_make_distributions_over_their_actions(space: Discrete | Continuous, action: jax.Array) -> None:
    network = from_nnx(lambda rngs: PolicyHead(4, space, initial_std=0.5, rngs=rngs))
    distribution = network.apply(network.init(jax.random.key(0)), jnp.ones(4))
    assert distribution.sample(jax.random.key(1)).shape == action.shape
    assert distribution.log_prob(action).shape == ()
    assert distribution.entropy().shape == ()
    if isinstance(space, Discrete):
        # close to uniform at first: log(1 / 3)
        assert float(distribution.log_prob(action)) == pytest.approx(-np.log(3), abs=0.05)
    else:
        # two independent Gaussians of std 1/2: entropy = 2 * (1/2 log(2 pi e) + log(1/2))
        assert float(distribution.entropy()) == pytest.approx(2 * (0.5 * np.log(2 * np.pi * np.e) - np.log(2)), abs=1e-5)


def test_entropy_is_right_under_vmap_and_scan() -> None:
    """Numpyro's batch shapes go stale under vmap; asked for one decision at a time they are right."""
    network = from_nnx(lambda rngs: PolicyHead(4, Continuous(2), rngs=rngs))
    parameters = network.init(jax.random.key(0))
    features = jax.random.normal(jax.random.key(1), (5, 3, 4))
    _, decisions = jax.lax.scan(lambda c, x: (c, jax.vmap(lambda f: network.apply(parameters, f))(x)), 0, features)
    entropy = jax.vmap(jax.vmap(lambda d: d.entropy()))(decisions)
    assert entropy.shape == (5, 3)
    np.testing.assert_allclose(entropy, 2 * 0.5 * np.log(2 * np.pi * np.e), rtol=1e-6)


def test_nnx_modules_with_other_than_parameters_are_refused_at_construction() -> None:
    class Counting(nnx.Module):
        def __init__(self, rngs: nnx.Rngs):
            self.linear = nnx.Linear(2, 2, rngs=rngs)
            self.calls = nnx.Variable(jnp.zeros(()))

    with pytest.raises(ValueError, match=r"nnx\.Param"):
        from_nnx(lambda rngs: Counting(rngs))
