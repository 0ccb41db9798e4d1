"""What an outer learner refuses, before anything is compiled."""

import jax
import numpy as np
import pytest

import jmeta
from jmeta.objectives import mixed_mode_grad
from jmeta.outer.on_policy import OnPolicy
from jmeta.outer.on_policy import _log_prob as log_prob
from jmeta.outer.on_policy import _over_axes as over_axes
from jmeta.tasks import BernoulliBandit, PointNavigation
from jmeta.types import TASK_AXES, Discrete, Protocol, PyTree

BANDIT = BernoulliBandit(num_arms=3, num_pulls=4)
POINTS = PointNavigation(horizon=6)


def rl2(**fields: int) -> OnPolicy:
    return jmeta.algorithms.rl2(BANDIT, **({"hidden_size": 4, "num_tasks": 8} | fields))


def test_score_must_weigh_each_segment() -> None:
    with pytest.raises(ValueError, match="score has 2 entries but num_segments is 1: give one weight per segment"):
        rl2().replace(score=(0.0, 1.0))
    with pytest.raises(ValueError, match="nothing would be learned"):
        rl2().replace(score=(0.0,))


def test_segments_must_be_whole_episodes() -> None:
    with pytest.raises(ValueError, match=r"segment_length=10 is not a whole number of episodes of 6 steps.*use 12"):
        jmeta.algorithms.maml(POINTS, segment_length=10)
    with pytest.raises(ValueError, match="num_streams=0"):
        rl2().replace(protocol=Protocol(1, 4, 0))


def test_minibatches_must_divide_tasks() -> None:
    with pytest.raises(
        ValueError, match=r"num_tasks=10 can't be split evenly over 1 device\(s\) x 4 minibatch\(es\): use num_tasks=8"
    ):
        rl2(num_tasks=10)


def test_layers_and_minibatches_must_be_positive() -> None:
    with pytest.raises(ValueError, match="hidden_size=-1"):
        rl2(hidden_size=-1)
    with pytest.raises(ValueError, match=r"widths=\(8, 0\)"):
        jmeta.algorithms.maml(POINTS, widths=(8, 0))
    with pytest.raises(ValueError, match="num_minibatches=0"):
        rl2(num_minibatches=0)


def test_epochs_must_be_positive() -> None:
    with pytest.raises(ValueError, match="num_epochs=0"):
        rl2(num_epochs=0)


def test_agent_and_tasks_must_suit_each_other() -> None:
    with pytest.raises(ValueError, match=r"acts in Discrete\(num_actions=3\) but PointNavigation takes Continuous\(size=2\)"):
        rl2().replace(tasks=POINTS, protocol=Protocol(1, 6, 1))
    outer = rl2()
    with pytest.raises(ValueError, match="observations of size 2 but BernoulliBandit gives 1"):
        outer.replace(inner=outer.inner.replace(observation_size=2))
    assert outer.inner.action_space == Discrete(3)


def test_maml_must_adapt() -> None:
    with pytest.raises(ValueError, match="num_inner_steps=0"):
        jmeta.algorithms.maml(POINTS, num_inner_steps=0)
    with pytest.raises(ValueError, match="inner_rates is empty"):
        jmeta.algorithms.maml(POINTS, inner_rates=())


def test_mixed_mode_gives_the_meta_gradient_of_reverse_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """On MAML's own outer loss with two inner steps, to 1e-5 relative in float32; and the second order matters."""
    outer = jmeta.algorithms.maml(POINTS, widths=(8,), num_streams=4, num_tasks=3, num_inner_steps=2)
    theta, keys = outer.init(jax.random.key(0)).theta, jax.random.split(jax.random.key(1), 3)

    def gradient(outer: OnPolicy) -> PyTree:
        def function(theta: PyTree) -> PyTree:
            lifetimes = jax.vmap(outer._lifetime, in_axes=(None, 0, 0), out_axes=TASK_AXES)(theta, keys, keys)
            credit, _ = outer.credit.assign(outer.credit.init(), lifetimes)
            behaviour = over_axes(log_prob, 4)(lifetimes.segments.decision, lifetimes.segments.action)
            return jax.grad(outer._loss, has_aux=True)(theta, keys, lifetimes, credit, behaviour)[0]

        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(jax.jit(function)(theta))])

    mixed = gradient(outer)
    first_order = gradient(outer.replace(inner=outer.inner.replace(first_order=True)))
    monkeypatch.setattr("jmeta.inner.maml.mixed_mode_grad", jax.grad)
    reverse = gradient(outer)
    assert mixed_mode_grad is not jax.grad
    np.testing.assert_allclose(mixed, reverse, atol=1e-5 * np.abs(reverse).max(), rtol=1e-4)
    assert np.linalg.norm(mixed - first_order) > 0.05 * np.linalg.norm(mixed)
