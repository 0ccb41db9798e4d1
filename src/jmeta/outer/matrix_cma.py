"""CMA-ES (Hansen 2016, arXiv 1604.00772) with matrix products only."""

from typing import Any

import jax
import jax.numpy as jnp
from evosax.algorithms import CMA_ES

from jmeta.objectives import square_roots


class MatrixCMA(CMA_ES):
    """evosax's CMA-ES without an eigendecomposition, which calls LAPACK on a CPU and can hang under ``vmap``.

    A population is drawn with the symmetric square root of the covariance. evosax uses eigenvectors and roots of eigenvalues,
    with the same distribution. evosax's ``tell`` takes the inverse root in factors, ``B diag(1 / D) B^T``. Here B is the root of
    the inverse root and D is 1, which has the same product.

    References:
      Hansen 2016, arXiv 1604.00772; evosax, Lange 2022, arXiv 2212.04180.
    """

    def _ask(self, key: jax.Array, state: Any, params: Any) -> tuple[jax.Array, Any]:
        covariance = jnp.minimum((state.C + state.C.T) / 2, 1e8)
        root, inverse_root = square_roots(covariance)
        noise = jax.random.normal(key, (self.population_size, self.num_dims), root.dtype)
        population = state.mean + state.std * jnp.matmul(noise, root, precision="highest")
        factor, _ = square_roots(inverse_root)
        return population, state.replace(C=covariance, B=factor, D=jnp.ones_like(state.D))
