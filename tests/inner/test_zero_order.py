"""ES-MAML's two inner steps against arithmetic by hand: the evolution-strategies gradient, and hill climbing."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

import jmeta
from jmeta.inner.zero_order import EvolutionGradient, HillClimbing, TriedWeights, ZeroOrder
from jmeta.networks import Network
from jmeta.tasks import PointNavigation
from jmeta.types import Continuous, Decision, PyTree, Segment, Timestep

# The mean action is w * x, w [2] in two parts of one weight each.
LINEAR = Network(
    init=lambda key: {"a": jnp.array([1.0]), "b": jnp.array([2.0])},
    apply=lambda w, x: Decision(dist.Normal(jnp.concatenate([w["a"], w["b"]]) * x, 1.0).to_event(1), jnp.zeros(())),
)
GRADIENT = EvolutionGradient(2, Continuous(2), LINEAR, num_inner_steps=2, sigma=0.5, rate=0.1)
CLIMBING = HillClimbing(2, Continuous(2), LINEAR, num_inner_steps=2, sigma=0.5)
THETA = LINEAR.init(jax.random.key(0))
KEY = jax.random.key(3)


def parts(vectors: Any) -> PyTree:
    """Vectors [..., 2] as perturbations of THETA, leaves [..., 1]."""
    vectors = jnp.asarray(vectors, jnp.float32)
    return {"a": vectors[..., :1], "b": vectors[..., 1:]}


def whole(tree: PyTree) -> np.ndarray:
    return np.concatenate([tree["a"], tree["b"]], axis=-1)


def earning(reward: Any) -> Segment:
    """A segment with these rewards [T, B], of which the rest is not looked at."""
    return Segment(None, None, None, jnp.asarray(reward, jnp.float32), *(None,) * 4)  # type: ignore[arg-type]


def test_a_stream_acts_by_the_weights_and_its_own_perturbation() -> None:
    """w + sigma eps = (1, 2) + 0.5 (4, -2) = (3, 1), times x = (1, 10)."""
    seen = jnp.array([1.0, 10.0])
    timestep = Timestep(seen, jnp.zeros(2), jnp.zeros(()), jnp.asarray(True), seen)
    decision, memory = GRADIENT.act(THETA, TriedWeights(THETA, jnp.int32(0)), parts([4.0, -2.0]), timestep)
    np.testing.assert_allclose(decision.distribution.mean, [3.0, 10.0])
    np.testing.assert_allclose(whole(memory), [4.0, -2.0])


@pytest.mark.parametrize(("num_streams", "num_pairs"), [(4, 2), (5, 2), (1, 0)])
def test_perturbations_come_in_opposite_pairs(num_streams: int, num_pairs: int) -> None:
    eps = whole(GRADIENT.perturbations(THETA, num_streams, KEY))
    assert eps.shape == (num_streams, 2)
    ahead = -(-num_streams // 2)
    np.testing.assert_array_equal(eps[ahead:], -eps[:num_pairs])
    assert len(np.unique(eps)) == 2 * num_streams  # of every stream and of every part its own


def test_perturbations_are_standard_normal() -> None:
    eps = whole(CLIMBING.perturbations(THETA, 20_001, KEY))[1:]
    np.testing.assert_allclose(eps.mean(0), [0.0, 0.0], atol=4 / np.sqrt(20_000))
    np.testing.assert_allclose(np.cov(eps.T), np.eye(2), atol=4 * np.sqrt(2 / 20_000))


def test_a_gradient_step_by_hand() -> None:
    """Returns (3, 1, 2, 2) have mean 2 and deviation sqrt(1/2), so they count (sqrt 2, -sqrt 2, 0, 0).

    sum_b of that times eps_b is (2 sqrt 2, 0); over B sigma = 2 that is sqrt 2, and a step of 0.1 times it.
    """
    tried = parts([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    moved = GRADIENT.move(THETA, tried, jnp.array([3.0, 1.0, 2.0, 2.0]))
    np.testing.assert_allclose(whole(moved), [1.0 + 0.1 * np.sqrt(2.0), 2.0], rtol=1e-5)
    other_units = GRADIENT.move(THETA, tried, 100.0 * jnp.array([3.0, 1.0, 2.0, 2.0]) - 7.0)
    np.testing.assert_allclose(whole(other_units), whole(moved), rtol=1e-5)
    no_difference = GRADIENT.move(THETA, tried, jnp.full(4, 3.0))
    np.testing.assert_allclose(whole(no_difference), [1.0, 2.0], atol=1e-6)
    one_without_its_opposite = GRADIENT.move(THETA, parts([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]]), jnp.full(3, 3.0))
    np.testing.assert_allclose(whole(one_without_its_opposite), [1.0, 2.0], atol=1e-6)


def test_a_gradient_step_goes_up_a_slope() -> None:
    """Returns 5 + sigma c . eps over eps = +-(1, 0), +-(0, 1), c = (3, -4), have deviation sigma |c| / sqrt 2.

    So the step is rate / (4 sigma) 2 c sqrt 2 / |c| = 0.1 / (sqrt 2 * 0.5) (0.6, -0.8).
    """
    eps, slope = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]), np.array([3.0, -4.0])
    moved = GRADIENT.move(THETA, parts(eps), jnp.asarray(5.0 + 0.5 * eps @ slope, jnp.float32))
    np.testing.assert_allclose(whole(moved), [1.0, 2.0] + 0.1 / (np.sqrt(2.0) * 0.5) * slope / 5.0, rtol=1e-5)


def test_hill_climbing_tries_to_stay() -> None:
    eps = whole(CLIMBING.perturbations(THETA, 4, KEY))
    np.testing.assert_array_equal(eps[0], [0.0, 0.0])
    assert len(np.unique(eps[1:])) == 6


@pytest.mark.parametrize(
    ("returns", "weights"),
    [
        ((1.0, 0.0, 3.0), (1.0, 2.0 + 0.5 * 4.0)),  # the third is the best
        ((1.0, 2.0, -9.0), (1.0 - 0.5 * 6.0, 2.0)),  # the second
        ((1.0, 0.0, 0.5), (1.0, 2.0)),  # none is better
        ((1.0, 1.0, 1.0), (1.0, 2.0)),  # nor as good as better
    ],
)
def test_hill_climbing_goes_to_the_best_and_never_to_a_worse_one(returns: tuple[float, ...], weights: tuple[float, ...]) -> None:
    moved = CLIMBING.move(THETA, parts([[0.0, 0.0], [-6.0, 0.0], [0.0, 4.0]]), jnp.array(returns))
    np.testing.assert_allclose(whole(moved), weights)


@pytest.mark.parametrize("learner", [GRADIENT, CLIMBING])
def test_adapting_judges_streams_by_their_sum_of_rewards_and_ends_in_time(learner: ZeroOrder) -> None:
    """Streams earn 5, 4 and 3 in three steps; after two adaptations the weights rest and nothing is tried."""
    segment = earning([[5.0, 0.0, 1.0], [0.0, 4.0, 1.0], [0.0, 0.0, 1.0]])
    phi, memory = learner.begin(THETA, 3, KEY)
    np.testing.assert_array_equal(whole(phi.weights), [1.0, 2.0])
    tried = parts([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    phi, memory = learner.adapt(THETA, phi, tried, segment, KEY)
    np.testing.assert_allclose(whole(phi.weights), whole(learner.move(THETA, tried, jnp.array([5.0, 4.0, 3.0]))))
    np.testing.assert_array_equal(whole(memory), whole(learner.perturbations(phi.weights, 3, KEY)))

    worse_first = earning([[0.0, 1.0, 2.0]])
    second, memory = learner.adapt(THETA, phi, tried, worse_first, KEY)
    np.testing.assert_allclose(whole(second.weights), whole(learner.move(phi.weights, tried, jnp.array([0.0, 1.0, 2.0]))))
    assert np.abs(whole(second.weights) - whole(phi.weights)).max() > 0.01
    assert int(second.num_updates) == 2
    np.testing.assert_array_equal(whole(memory), np.zeros((3, 2)))

    third, memory = learner.adapt(THETA, second, tried, worse_first, KEY)
    np.testing.assert_array_equal(whole(third.weights), whole(second.weights))
    np.testing.assert_array_equal(whole(memory), np.zeros((3, 2)))


def test_a_single_try_is_refused() -> None:
    with pytest.raises(ValueError, match="num_streams=1: adaptation compares the returns"):
        jmeta.algorithms.es_maml(PointNavigation(horizon=5), widths=(), num_streams=1, num_tasks=2, population_size=2)
