"""The implicit derivative, on problems with a known solution."""

import jax
import jax.numpy as jnp
import numpy as np

from jmeta import struct
from jmeta.inner.gradient_agent import Initialisation, InnerData
from jmeta.inner.imaml import IMAML
from jmeta.inner.update_rules import GradientDescent
from jmeta.networks import Network
from jmeta.objectives import solve_where_positive
from jmeta.types import Discrete, PyTree, Segment

CURVATURE = jnp.array([[2.0, 0.5], [0.5, 1.0]])
TARGET = jnp.array([1.0, -1.0])


@struct.dataclass
class Quadratic(IMAML):
    """L(w) = (w - target - shift)^T A (w - target - shift) / 2, shift being a frozen part."""

    def proximal_loss(self, weights: PyTree, frozen: PyTree, data: PyTree) -> jax.Array:
        away = weights["w"] - TARGET - frozen["shift"]
        return 0.5 * away @ CURVATURE @ away


def learner(**fields: object) -> Quadratic:
    settings = {"strength": 2.0, "num_solver_steps": 200, "num_cg_steps": 5} | fields
    return Quadratic(1, Discrete(2), Network(None, None), GradientDescent(jnp.array([0.2])), **settings)


def solve(inner: Quadratic, centre: jax.Array, shift: jax.Array) -> jax.Array:
    began = ({"w": jnp.zeros(2)}, (), inner.rule.begin((), {"w": jnp.zeros(2)}))
    return inner._implicit({"w": centre}, {"shift": shift}, began, ())[0]["w"]


def test_the_solution_and_both_derivatives_are_those_of_the_closed_form() -> None:
    # A (w - t - s) + 2 (w - c) = 0:  w = (A + 2 I)^-1 (A (t + s) + 2 c)
    centre, shift = jnp.array([0.3, 0.4]), jnp.array([0.1, -0.2])
    inverse = np.linalg.inv(CURVATURE + 2.0 * np.eye(2))
    expected = inverse @ (CURVATURE @ (TARGET + shift) + 2.0 * centre)
    inner = learner()
    np.testing.assert_allclose(solve(inner, centre, shift), expected, atol=1e-5)
    by_centre, by_shift = jax.jacrev(lambda c, s: solve(inner, c, s), argnums=(0, 1))(centre, shift)
    np.testing.assert_allclose(by_centre, 2.0 * inverse, atol=1e-5)
    np.testing.assert_allclose(by_shift, inverse @ CURVATURE, atol=1e-5)


def test_the_derivative_does_not_look_at_how_the_solution_was_found() -> None:
    """One conjugate-gradient step for an isotropic problem is exact; the number of solver steps does not enter."""
    centre, shift = jnp.array([0.3, 0.4]), jnp.zeros(2)
    few = jax.jacrev(lambda c: solve(learner(num_solver_steps=1), c, shift))(centre)
    many = jax.jacrev(lambda c: solve(learner(), c, shift))(centre)
    np.testing.assert_allclose(few, many, atol=1e-5)  # the curvature is the same everywhere


def test_conjugate_gradients_stop_where_the_matrix_is_not_positive() -> None:
    """Exact for a positive matrix, the identity if the first direction is of negative curvature, else what came before."""
    vector = jnp.array([1.0, 1.0])
    positive = solve_where_positive(lambda v: CURVATURE @ v, vector, 5)
    np.testing.assert_allclose(positive, np.linalg.solve(CURVATURE, vector), rtol=1e-5)
    np.testing.assert_allclose(solve_where_positive(lambda v: jnp.array([-3.0, 1.0]) * v, vector, 5), vector)
    # From (1, 1) along diag(3, -1): curvature 2, length 2 / 2 = 1; the next direction is of negative curvature.
    np.testing.assert_allclose(solve_where_positive(lambda v: jnp.array([3.0, -1.0]) * v, vector, 5), vector)


def test_its_numbers_can_be_traced() -> None:
    """Two strengths at once: (A + strength I)^-1 strength, the derivative in the centre."""

    def derivative(strength: jax.Array) -> jax.Array:
        inner = learner().replace(strength=strength, inner_clip_epsilon=strength)
        return jax.jacrev(lambda c: solve(inner, c, jnp.zeros(2)))(jnp.array([0.3, 0.4]))

    found = jax.jit(jax.vmap(derivative))(jnp.array([2.0, 3.0]))
    expected = [strength * np.linalg.inv(CURVATURE + strength * np.eye(2)) for strength in (2.0, 3.0)]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@struct.dataclass
class WithoutData(Quadratic):
    """Its loss needs none."""

    def judge(self, segment: Segment) -> InnerData:
        return ()  # type: ignore[return-value]

    def shared_out(self, data: InnerData) -> InnerData:
        return data


def test_every_adaptation_is_held_to_where_tasks_begin() -> None:
    """Two of them find the same minimum with the same derivative, since the centre is theta and not the weights before."""
    inner = WithoutData(**vars(learner(adapted_parts=("w",))))
    shift, reward = jnp.array([0.1, -0.2]), jnp.zeros((1, 1))
    segment = Segment(None, None, None, reward, None, None, None, None)  # type: ignore[arg-type]

    def after(centre: jax.Array, number: int) -> jax.Array:
        theta = Initialisation({"w": centre, "shift": shift}, ())
        phi, memory = inner.begin(theta, 1, jax.random.key(0))
        for _ in range(number):
            phi, memory = inner.adapt(theta, phi, memory, segment, jax.random.key(0))
        return phi.weights["w"]

    centre, inverse = jnp.array([0.3, 0.4]), np.linalg.inv(CURVATURE + 2.0 * np.eye(2))
    for number in (1, 2):
        np.testing.assert_allclose(after(centre, number), inverse @ (CURVATURE @ (TARGET + shift) + 2.0 * centre), atol=1e-5)
        np.testing.assert_allclose(jax.jacrev(after)(centre, number), 2.0 * inverse, atol=1e-5)
