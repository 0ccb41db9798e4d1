"""Evolution strategies: unbiased where they should be, and the same whatever the chunking."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from evosax.algorithms import CMA_ES

import jmeta
from jmeta.algorithms.variants import fields_for
from jmeta.lifetime import live_in_new_task
from jmeta.outer.ask_tell import AskTell
from jmeta.outer.evolution import OpenAIES, centred_ranks
from jmeta.tasks import BernoulliBandit, PointNavigation
from jmeta.types import MetaState, Metrics, Protocol, PyTree
from tests.outer.test_meta_gradients import REWARD, THETA

BANDIT = BernoulliBandit(num_arms=3, num_pulls=4)
A = np.array([[2.0, 0.3, 0.0], [0.3, 1.0, -0.2], [0.0, -0.2, 0.5]])


def small(**fields: object) -> OpenAIES:
    return jmeta.algorithms.rl2_es(BANDIT, **({"hidden_size": 4, "num_tasks": 4, "population_size": 8} | fields))


def with_fitness(function: object, **fields: object) -> OpenAIES:
    """A learner whose fitness is a function of theta [3], with no lifetimes."""

    class Known(OpenAIES):
        def fitness(self, theta: PyTree, keys: jax.Array) -> tuple[jax.Array, Metrics]:
            return function(theta), {"return/before": jnp.zeros(())}

    learner = small()
    return Known(**{field.name: getattr(learner, field.name) for field in dataclasses.fields(learner)} | fields)


def test_centred_ranks_by_hand() -> None:
    # ranks 3, 1, 2 of 3: (rank - 1) / 2 - 1/2.  Equal values share: ranks 1.5, 1.5, 3.
    np.testing.assert_allclose(centred_ranks(jnp.array([9.0, -1.0, 0.0])), [0.5, -0.5, 0.0])
    np.testing.assert_allclose(centred_ranks(jnp.array([1.0, 1.0, 2.0])), [-0.25, -0.25, 0.5])


def test_the_gradient_is_unbiased_on_a_quadratic() -> None:
    """Blurring a quadratic adds a constant, so the mean estimate is the gradient: a z-test, alpha = 1e-3 for all three."""
    learner = with_fitness(lambda x: -0.5 * x @ A @ x + x[0], ranked=False, sigma=0.5)
    theta = jnp.array([0.4, -1.0, 0.7])
    pairs = jax.random.split(jax.random.key(0), (2000, 4))
    estimate = jax.jit(jax.vmap(lambda pairs: learner.gradient(theta, pairs, pairs)[0]))(pairs)
    error = np.std(estimate, axis=0, ddof=1) / np.sqrt(len(estimate))
    expected = -A @ theta + np.array([1.0, 0.0, 0.0])
    assert error.max() < 0.05
    assert np.all(np.abs(estimate.mean(0) - expected) < 3.6 * error)  # two-sided 1e-3 / 3 is 3.59


def test_a_large_population_finds_the_direction_of_the_exact_meta_gradient() -> None:
    """Fixture G1's: cosine above .99."""

    def adapted_value(theta: jax.Array) -> jax.Array:
        value = lambda t: jax.nn.softmax(t) @ REWARD  # noqa: E731
        return value(theta + 0.7 * jax.grad(value)(theta))

    exact = jax.grad(adapted_value)(THETA)
    np.testing.assert_allclose(exact, [0.1647620833, -0.1233469566, -0.0414151267], atol=1e-6)
    pairs = jax.random.split(jax.random.key(1), 4096)
    for ranked in (False, True):
        learner = with_fitness(adapted_value, ranked=ranked, sigma=0.05, population_size=8192)
        found = learner.gradient(THETA, pairs, pairs)[0]
        assert exact @ found / jnp.linalg.norm(exact) / jnp.linalg.norm(found) > 0.99


def test_a_step_goes_up_the_gradient_by_a_rate_that_falls() -> None:
    """Plain gradient ascent at half of anneal_steps: by half of the rate, 0.05 times the estimate."""
    learner = with_fitness(lambda x: x @ A @ x + x[0], ranked=False, learning_rate=0.1, anneal_steps=10, optimizer=optax.sgd)
    theta, pairs = jnp.array([0.4, -1.0, 0.7]), jax.random.split(jax.random.key(0), 4)
    state = MetaState(theta, learner.optimizer(0.1).init(theta), jnp.int32(5))
    after, metrics = jax.jit(learner.step_on_device)((state, pairs), pairs)
    gradient, fitness, _ = learner.gradient(theta, pairs, pairs)
    np.testing.assert_allclose(after.theta, theta + 0.05 * gradient, rtol=1e-5)
    assert int(after.extra) == 6
    assert float(metrics["fitness/best"]) == pytest.approx(float(fitness.max()))


def test_fitness_is_the_mean_over_tasks_of_segments_by_their_scores() -> None:
    outer = dataclasses.replace(small(), protocol=Protocol(3, 4, 2), score=(0.5, 0.0, 2.0))
    theta, keys = outer.inner.init(jax.random.key(0)), jax.random.split(jax.random.key(1), 5)
    live = partial(live_in_new_task, outer.inner, outer.tasks, theta, protocol=outer.protocol)
    reward = np.asarray(jax.jit(jax.vmap(live))(keys)[1].segments.reward)  # [N, K, T, B]
    by_segment = reward.sum(2).mean((0, 2))
    fitness = jax.jit(lambda keys: outer.fitness(theta, keys)[0])(keys)
    assert float(fitness) == pytest.approx(0.5 * by_segment[0] + 2.0 * by_segment[2], rel=1e-5)


def test_opposite_members_live_the_same_tasks() -> None:
    """With a tiny sigma all members are nearly one, so in common tasks and random numbers they earn the same."""
    outer = small(sigma=1e-7)
    state = outer.init(jax.random.key(0))
    keys = jax.random.split(jax.random.key(1), 4)
    _, fitness, _ = jax.jit(outer.gradient)(state.theta, keys, jax.random.split(jax.random.key(2), 4))
    np.testing.assert_allclose(fitness, [float(fitness[0])] * 8, rtol=1e-6)


@pytest.mark.slow
def test_chunks_of_the_population_change_nothing() -> None:
    state = small().init(jax.random.key(0))
    whole, chunked = (jax.jit(small(members_at_once=n).step)(state, jax.random.key(1))[0].theta for n in (None, 2))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), whole, chunked)


@pytest.mark.slow
def test_cma_es_finds_what_pays() -> None:
    """Here on another inner learner than its own composition's."""
    evolved = jmeta.algorithms.es_maml(PointNavigation(horizon=5), widths=(), num_streams=2, num_tasks=16, population_size=16)
    outer = AskTell(**fields_for(AskTell, evolved), strategy=CMA_ES)
    trained = jmeta.train(outer, jax.random.key(0), 40, progress=False)
    assert trained.metrics["fitness"][-5:].mean() > trained.metrics["fitness"][:5].mean() + 0.1


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_cma_es_steps_are_finite_and_move_theta(covariance: str) -> None:
    outer = jmeta.algorithms.rl2_cma_es(BANDIT, hidden_size=2, num_tasks=4, population_size=8, covariance=covariance)
    state = outer.init(jax.random.key(0))
    after, metrics = jax.jit(outer.step)(state, jax.random.key(1))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((after.theta, metrics)))
    assert any((a != b).any() for a, b in zip(jax.tree.leaves(after.theta), jax.tree.leaves(state.theta), strict=True))


def test_odd_populations_are_refused() -> None:
    with pytest.raises(ValueError, match="population_size=7 can't be split evenly over pairs on 1 device"):
        small(population_size=7)


def test_no_perturbation_is_refused() -> None:
    with pytest.raises(ValueError, match=r"sigma=0\.0: members must differ"):
        small(sigma=0.0)
