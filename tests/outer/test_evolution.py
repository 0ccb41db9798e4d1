"""Evolution strategies: unbiased where they should be, and the same whatever the chunking."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from evosax.algorithms import CMA_ES, SimpleGA, iAMaLGaM_Full

import jmeta
from jmeta.lifetime import live_in_new_task
from jmeta.outer.ask_tell import AskTell
from jmeta.outer.evolution import OpenAIES, centred_ranks
from jmeta.outer.matrix_cma import MatrixCMA
from jmeta.struct import fields_for
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


def test_weight_decay_by_hand() -> None:
    """Where all members do alike, ranks are equal and nothing but the decay moves theta: theta - 0.5 * (0.1 * theta)."""
    learner = with_fitness(lambda theta: jnp.zeros(()), weight_decay=0.1, learning_rate=0.5, optimizer=optax.sgd)
    state = learner.init(jax.random.key(0))
    after, _ = jax.jit(learner.step)(state, jax.random.key(1))
    jax.tree.map(lambda new, old: np.testing.assert_allclose(new, 0.95 * old, atol=1e-6), after.theta, state.theta)


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
    theta, keys = jnp.array([0.4, -1.0, 0.7]), jax.random.split(jax.random.key(0), 4)
    search_key, pairs = jax.random.key(1), jnp.arange(learner.population_size // 2)
    state = MetaState(theta, learner.optimizer(0.1).init(theta), jnp.int32(5))
    after, metrics = jax.jit(learner.step_on_device)((state, keys, search_key), pairs)
    gradient, fitness, _ = learner.gradient(theta, keys, jax.random.split(search_key, len(pairs)))
    np.testing.assert_allclose(after.theta, theta + 0.05 * gradient, rtol=1e-5)
    assert int(after.extra) == 6
    assert float(metrics["fitness/best"]) == pytest.approx(float(fitness.max()))


def test_fitness_is_the_mean_over_tasks_of_segments_by_their_scores() -> None:
    outer = dataclasses.replace(small(), protocol=Protocol(3, 4, 2), segment_weights=(0.5, 0.0, 2.0))
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
    learners = [small(members_at_once=n, sigma=1.0) for n in (None, 2)]  # members that differ much, and not by a rounding
    whole, chunked = (jax.jit(outer.step)(state, jax.random.key(1))[0].theta for outer in learners)
    assert any((a != b).any() for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(state.theta), strict=True))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), whole, chunked)


@pytest.mark.slow
def test_cma_es_finds_what_pays() -> None:
    """Here on another inner learner than its own composition's."""
    evolved = jmeta.algorithms.es_maml(PointNavigation(horizon=5), widths=(), num_streams=2, num_tasks=16, population_size=16)
    outer = AskTell(**fields_for(AskTell, evolved), strategy=MatrixCMA)
    trained = jmeta.train(outer, jax.random.key(0), 40, progress=False)
    assert trained.metrics["fitness"][-5:].mean() > trained.metrics["fitness"][:5].mean() + 0.1


@pytest.mark.slow
@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_cma_es_steps_are_finite_and_move_theta(covariance: str) -> None:
    outer = jmeta.algorithms.rl2_cma_es(BANDIT, hidden_size=2, num_tasks=4, population_size=8, covariance=covariance)
    state = outer.init(jax.random.key(0))
    after, metrics = jax.jit(outer.step)(state, jax.random.key(1))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((after.theta, metrics)))
    assert any((a != b).any() for a, b in zip(jax.tree.leaves(after.theta), jax.tree.leaves(state.theta), strict=True))


def searching(size: int, spectrum: np.ndarray) -> tuple[CMA_ES, MatrixCMA, PyTree, PyTree]:
    """Both kinds of CMA-ES, and a state of theirs whose covariance has these eigenvalues."""
    theirs, ours = CMA_ES(12, jnp.zeros(size)), MatrixCMA(12, jnp.zeros(size))
    params = ours.default_params
    state = ours.init(jax.random.key(0), jnp.linspace(-1.0, 1.0, size), params)
    axes, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(size, size)))
    return theirs, ours, params, state.replace(C=jnp.asarray((axes * spectrum) @ axes.T, jnp.float32), std=0.5)


def test_a_population_of_matrix_cma_has_the_covariance() -> None:
    """Mean and covariance of 40,000 members, every entry within 5 standard errors."""
    size, number = 4, 40_000
    ours = MatrixCMA(number, jnp.zeros(size))
    *_, state = searching(size, np.array([4.0, 1.0, 0.25, 0.01]))
    population, _ = ours._ask(jax.random.key(1), state, ours.default_params)
    expected = 0.25 * np.asarray(state.C)  # std**2 C
    spread = np.sqrt((np.outer(np.diag(expected), np.diag(expected)) + expected**2) / number)  # of a Gaussian's sample covariance
    assert np.all(np.abs(np.cov(np.asarray(population).T) - expected) < 5 * spread)
    assert np.all(np.abs(population.mean(0) - state.mean) < 5 * np.sqrt(np.diag(expected) / number))


def test_matrix_cma_learns_what_cma_es_learns() -> None:
    """Told the same fitness of the same members in the same state, it moves mean, step size, paths and covariance alike."""
    theirs, ours, params, state = searching(6, np.geomspace(0.01, 4.0, 6))
    asked, our_state = ours.ask(jax.random.key(1), state, params)
    _, their_state = theirs.ask(jax.random.key(1), state, params)
    fitness = jnp.sin(jnp.arange(12.0))
    told = [s.tell(jax.random.key(2), asked, fitness, x, params)[0] for s, x in ((theirs, their_state), (ours, our_state))]
    for name in ("mean", "std", "p_std", "p_c", "C"):
        one, other = (np.asarray(getattr(x, name)) for x in told)
        np.testing.assert_allclose(other, one, rtol=2e-3, atol=2e-4, err_msg=name)
    assert np.abs(told[1].C - state.C).max() > 0.01


def test_the_search_and_the_lifetimes_draw_from_different_keys() -> None:
    """Other tasks: the same population. Another search: another."""
    evolved = with_fitness(lambda theta: sum(leaf.sum() for leaf in jax.tree.leaves(theta)))
    fitness = type(evolved).fitness

    class Known(AskTell):
        pass

    Known.fitness = fitness
    outer = Known(**fields_for(AskTell, evolved), strategy=MatrixCMA)
    state = outer.init(jax.random.key(0))
    step = jax.jit(lambda live, search: outer.step_on_device((state, jax.random.split(live, 4), search), jnp.arange(4))[1])
    one, other, search = (jax.random.key(n) for n in (1, 2, 3))
    np.testing.assert_array_equal(step(one, search)["fitness/best"], step(other, search)["fitness/best"])
    assert step(one, search)["fitness/best"] != step(one, other)["fitness/best"]


@pytest.mark.parametrize("strategy", [CMA_ES, iAMaLGaM_Full])
def test_strategies_that_call_lapack_are_refused(strategy: type) -> None:
    with pytest.raises(ValueError, match=f"strategy={strategy.__name__} calls LAPACK.*MatrixCMA"):
        AskTell(**fields_for(AskTell, small()), strategy=strategy)


def test_strategies_without_a_mean_are_refused() -> None:
    with pytest.raises(ValueError, match="strategy=SimpleGA has no mean to deploy"):
        AskTell(**fields_for(AskTell, small()), strategy=SimpleGA)


def test_odd_populations_are_refused() -> None:
    with pytest.raises(ValueError, match="population_size=7 can't be split evenly over pairs on 1 device"):
        small(population_size=7)


def test_no_perturbation_is_refused() -> None:
    with pytest.raises(ValueError, match=r"sigma=0\.0: give a number above 0"):
        small(sigma=0.0)
