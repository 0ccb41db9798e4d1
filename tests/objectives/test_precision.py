"""Accelerators round the factors of a matrix product by default, but not where sums of rewards or values depend on it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import jmeta
from jmeta.comparison.spec import parse_spec
from jmeta.inner.zero_order import EvolutionGradient
from jmeta.lifetime import live_in_new_task
from jmeta.objectives.baselines import fit_linear_baseline
from jmeta.objectives.gaussians import gaussian_product
from jmeta.objectives.propensity import density_ratio, fit_propensity
from jmeta.objectives.returns import episode_return, returns_by_episode
from jmeta.objectives.roots import square_roots
from jmeta.references.gittins_recursion import _solve
from jmeta.references.value_iteration import optimal_action_values, value_iteration

MATRIX, ROWS, VECTOR = jnp.eye(3), jnp.ones((4, 3)), jnp.ones(4)
TRANSITIONS, REWARDS = jnp.full((3, 2, 3), 1 / 3), jnp.ones((3, 2))


def products(function: Callable[..., Any], *args: Any) -> list[str]:
    """The matrix products of a program, a line each."""
    return [line for line in jax.jit(function).lower(*args).as_text().splitlines() if "dot_general" in line]


def moved(weights: jax.Array, tried: jax.Array, returns: jax.Array) -> Any:
    agent = jmeta.algorithms.es_maml(jmeta.tasks.PointNavigation(horizon=2), widths=(4,)).inner
    assert isinstance(agent, EvolutionGradient)
    return agent.move(weights, tried, returns)


CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "linear baseline": (fit_linear_baseline, (ROWS, VECTOR, VECTOR)),
    "square roots": (square_roots, (MATRIX,)),
    "product of Gaussians": (gaussian_product, (ROWS, ROWS, VECTOR)),
    "propensity": (partial(fit_propensity, strength=1.0), (ROWS, ROWS)),
    "density ratio": (density_ratio, (VECTOR, VECTOR[:3])),
    "value iteration": (partial(value_iteration, horizon=2), (TRANSITIONS, REWARDS)),
    "optimal action values": (lambda t, r: optimal_action_values(r, t, 2), (TRANSITIONS, REWARDS)),
    "Gittins indices": (partial(_solve, length=1), (jnp.zeros((1, 9, 3, 3)), jnp.ones((1, 9)))),
    "evolution strategies": (moved, (MATRIX, jnp.ones((4, 3, 3)), VECTOR)),
}
PLANNERS = ("beb", "opsrl", "psrl", "replanning-index", "ucrl2")


@pytest.mark.parametrize("name", CASES)
def test_sums_of_rewards_and_values_are_in_full_precision(name: str) -> None:
    found = products(CASES[name][0], *CASES[name][1])
    assert found
    assert all("HIGHEST" in line for line in found), found


@pytest.mark.parametrize("name", PLANNERS)
def test_planners_act_on_values_in_full_precision(name: str) -> None:
    spec = {"name": "one", "seeds": 1, "env_steps": 1, "tasks": {"mdp": {"task": "tabular-mdp", "horizon": 2, "num_episodes": 2}}}
    (cell, _) = parse_spec(spec | {"algorithms": {"planner": {"algorithm": name}}}).cells
    tasks, protocol = cell.learner.tasks, cell.learner.protocol
    found = products(lambda key: live_in_new_task(cell.learner.inner, tasks, (), key, protocol=protocol), jax.random.key(0))
    assert found
    assert all("HIGHEST" in line for line in found), found


def test_returns_are_sums_and_no_matrix_products() -> None:
    reward, done = jnp.ones(6), jnp.array([False, True] * 3)
    assert not products(lambda r, d: returns_by_episode(r, d, 3), reward, done)
    assert not products(lambda r, d: episode_return(r, d, 1), reward, done)
