"""Square roots of matrices, against eigenvalues by NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.objectives import square_roots


@pytest.mark.parametrize(("size", "condition"), [(1, 1.0), (2, 4.0), (30, 1.0), (30, 1e4)])
def test_roots_of_a_covariance(size: int, condition: float) -> None:
    axes, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(size, size)))
    values = np.geomspace(0.01, 0.01 * condition, size)
    root, inverse = jax.jit(square_roots)(jnp.asarray((axes * values) @ axes.T, jnp.float32))
    values = values + 1e-6 * values.mean()  # how far they are raised
    np.testing.assert_allclose(root, (axes * values**0.5) @ axes.T, atol=1e-4 * values.max() ** 0.5)
    np.testing.assert_allclose(inverse, (axes * values**-0.5) @ axes.T, atol=1e-3 * values.min() ** -0.5)


def test_roots_by_hand() -> None:
    # [[5, 4], [4, 5]] has eigenvalues 9 along (1, 1) and 1 along (1, -1): roots 3 and 1, so [[2, 1], [1, 2]], whose
    # determinant is 3 and whose inverse is [[2, -1], [-1, 2]] / 3.
    root, inverse = square_roots(jnp.array([[5.0, 4.0], [4.0, 5.0]]))
    np.testing.assert_allclose(root, [[2.0, 1.0], [1.0, 2.0]], atol=1e-5)
    np.testing.assert_allclose(inverse, np.array([[2.0, -1.0], [-1.0, 2.0]]) / 3, atol=1e-5)


def test_a_covariance_that_rounding_made_indefinite_has_roots() -> None:
    root, inverse = square_roots(jnp.diag(jnp.array([1.0, 1e-9, -1e-8])))
    assert np.isfinite(root).all()
    # the mean eigenvalue is 1/3, so the smallest are raised to about 1e-6 / 3: inverse roots of 1732
    np.testing.assert_allclose(np.diag(inverse), [1.0, 1732.0, 1732.0], rtol=0.05)


def test_many_matrices_at_once_take_each_as_many_steps_as_they_need() -> None:
    matrices = jnp.stack([jnp.eye(3), jnp.diag(jnp.array([1e4, 1.0, 0.01]))])
    together = jax.jit(jax.vmap(square_roots))(matrices)
    for index in range(2):
        alone = square_roots(matrices[index])
        jax.tree.map(lambda a, b, i=index: np.testing.assert_allclose(a[i], b, rtol=1e-5, atol=1e-6), together, alone)
