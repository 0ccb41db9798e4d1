"""The gradient report, where the answers are known."""

import dataclasses

import jax
import numpy as np
import pytest

import jmeta
from jmeta.inner.gradient_agent import Initialisation
from jmeta.objectives import naive
from tests.outer.test_meta_gradients import PATHWISE, THETA, learner


@pytest.mark.slow
def test_the_report_on_a_bandit_whose_gradient_is_known() -> None:
    """Fixture G1: first order points elsewhere, and the naive estimate is unbiased against itself but not against DiCE's."""
    outer = learner(naive)
    theta = Initialisation({"logits": THETA}, ())
    report = jmeta.diagnostics.meta_gradient(
        outer, theta, jax.random.key(0), num_estimates=40, num_reference=80, num_pairs=16, sigma=0.1
    )
    assert report.norms.keys() == {"weights['logits']"}
    assert report.norms["weights['logits']"] == pytest.approx(np.linalg.norm(PATHWISE), rel=0.02)
    assert report.bias < 3 * report.resolution
    assert report.cosine > 0.9
    assert 0.9 < report.first_order_cosine < 0.9999
    assert report.evolution_cosine > 0.9

    right_twice = learner(jmeta.objectives.low_variance_curvature)
    against = jmeta.diagnostics.meta_gradient(
        outer, theta, jax.random.key(1), reference=right_twice, num_estimates=40, num_reference=80, num_pairs=2
    )
    assert against.bias > 5 * against.resolution


def test_a_reference_of_another_kind_is_refused() -> None:
    tasks = jmeta.tasks.PointNavigation(horizon=5)
    small = {"num_streams": 4, "num_tasks": 4}
    outer = jmeta.algorithms.maml(tasks, widths=(4,), **small)
    other = jmeta.algorithms.maml(tasks, widths=(5,), **small)
    theta = outer.inner.init(jax.random.key(0))
    with pytest.raises(ValueError, match="reference has another theta"):
        jmeta.diagnostics.meta_gradient(outer, theta, jax.random.key(0), reference=other)
    with pytest.raises(ValueError, match="num_estimates=1: give at least 2"):
        jmeta.diagnostics.meta_gradient(outer, theta, jax.random.key(0), num_estimates=1)
    assert dataclasses.is_dataclass(jmeta.diagnostics.MetaGradientReport)
