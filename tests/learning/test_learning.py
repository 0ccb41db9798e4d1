"""Long learning runs, `make test-learning`: each algorithm reaches its number on a published task."""

import jax
import pytest

import jmeta
from jmeta.comparison import SPECS, Cell, read_spec
from jmeta.evaluation.beliefs import decode_goals
from jmeta.outer.base import OuterLearner
from jmeta.tasks import BernoulliBandit, PointNavigation

pytestmark = [pytest.mark.learning, pytest.mark.timeout(3600)]


def learn(outer: OuterLearner, num_steps: int, seed: int = 0) -> jmeta.training.TrainResult:
    return jmeta.train(outer, jax.random.key(seed), num_steps)


def cell_of(spec: str, algorithm: str) -> Cell:
    """A cell of a spec in ``benchmarks/specs``."""
    return next(cell for cell in read_spec(SPECS / f"{spec}.toml").cells if cell.algorithm == algorithm)


def test_rl2_comes_within_half_a_percent_of_bayes_optimal() -> None:
    """Five arms, ten pulls: 6.63 or more of 6.660 on 100,000 held-out bandits (random 5.0)."""
    outer = jmeta.algorithms.rl2(BernoulliBandit(5, 10), discount=1.0, entropy_coefficient=0.05, anneal_steps=600)
    trained = learn(outer, 600)
    result = jmeta.evaluate(
        outer.inner, outer.tasks.held_out, trained.theta, jax.random.key(1), protocol=outer.protocol, num_tasks=100_000
    )
    assert result.mean_return >= 6.63
    assert result.mean_return <= 6.66 + 4 * result.standard_error  # nobody beats the optimum


def test_maml_reaches_the_published_return_after_one_step() -> None:
    """Finn et al. 2017: -11.68 after one gradient step on 4,000 environment steps; pretraining gets -19.7."""
    outer = jmeta.algorithms.maml(PointNavigation(), anneal_steps=1500)
    trained = learn(outer, 1500)
    protocol = outer.protocol._replace(num_segments=4, num_streams=40)
    result = jmeta.evaluate(
        outer.inner, outer.tasks.held_out, trained.theta, jax.random.key(1), protocol=protocol, num_tasks=1000
    )
    assert result.episode_returns.mean(0)[1] >= -11.7


def test_varibad_searches_nearly_as_well_as_can_be_and_believes_nothing_that_is_ruled_out() -> None:
    """GridNavi: 36.5 or more of 37.21, and at every step of the first episode nine tenths of the belief on what is possible."""
    cell = cell_of("grid-navi", "varibad")
    outer = cell.learner
    trained = learn(outer, cell.outer_steps)
    live = (outer.inner, outer.tasks, trained.theta)
    result = jmeta.evaluate(*live, jax.random.key(1), protocol=outer.protocol, num_tasks=100_000)
    assert result.mean_return >= 36.5
    assert result.mean_return <= 37.22 + 4 * result.standard_error
    beliefs = decode_goals(*live, jax.random.key(2), protocol=outer.protocol, num_tasks=2000)
    assert beliefs.mass_on_possible[:, :15].mean(0).min() >= 0.9


@pytest.mark.parametrize(("name", "least"), [("sac", -200.0), ("dqn", 475.0)])
def test_off_policy_learners_solve_a_task_alone(name: str, least: float) -> None:
    """The mean return of the first episode, of 1,000; the median of three seeds, since one of six trainings of DQN ends below."""
    cell = cell_of("off-policy", name)
    outer = cell.learner
    returns = []
    for seed in range(3):
        theta = learn(outer, cell.outer_steps, seed).theta
        result = jmeta.evaluate(outer.inner, outer.tasks, theta, jax.random.key(1), protocol=outer.protocol, num_tasks=1000)
        returns.append(result.episode_returns.mean(0)[0])
    assert sorted(returns)[1] >= least
