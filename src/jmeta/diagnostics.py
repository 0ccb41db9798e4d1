"""Diagnostics of a meta-gradient at a given theta: its bias, noise and direction."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jmeta.outer.evolution import OpenAIES
from jmeta.outer.ppo import PPO
from jmeta.types import Theta


@dataclasses.dataclass(frozen=True)
class MetaGradientReport:
    """Quality of the gradient of one outer step.

    Attributes:
      norms: norm of the reference gradient, by part of theta.
      bias: |mean of the estimates - reference| / |reference|; about ``resolution`` or less if the estimates are unbiased.
      resolution: bias that would be measured with unbiased estimates, due to the noise of both means.
      noise: square root of the estimates' total variance, / |reference|; averaging n meta-batches divides it by sqrt(n).
      cosine: cosine similarity of a single estimate to the reference, mean over estimates.
      first_order_cosine: that of the mean first-order estimate; None if the inner learner has no second derivatives.
      evolution_cosine: that of the evolution-strategies gradient.
    """

    norms: dict[str, float]
    bias: float
    resolution: float
    noise: float
    cosine: float
    first_order_cosine: float | None
    evolution_cosine: float


def meta_gradient(
    outer: PPO,
    theta: Theta,
    key: jax.Array,
    *,
    reference: PPO | None = None,
    num_estimates: int = 32,
    num_reference: int = 256,
    num_pairs: int = 512,
    sigma: float = 0.02,
) -> MetaGradientReport:
    """Compares the meta-gradient of single meta-batches with a large-sample one, at theta.

    The estimates are the gradients of the first update of ``outer.step``, with initial statistics of the critic if it has any.
    Meta-batches are processed one at a time, on one device.

    Args:
      outer: outer learner whose gradient is estimated.
      theta: meta-parameters at which it is estimated.
      key: consumed.
      reference: outer learner whose mean gradient is taken as the truth; ``outer`` itself by default, so that the measured bias
        is only noise. For MAML, ``jmeta.algorithms.e_maml`` with the same settings is unbiased.
      num_estimates: meta-batches whose gradients are compared, at least 2.
      num_reference: meta-batches in the reference, at least 2.
      num_pairs: pairs of opposite perturbations for the evolution-strategies gradient.
      sigma: standard deviation of the perturbations.

    Returns:
      The report.

    Raises:
      ValueError: for fewer than 2 meta-batches of either kind, or a reference whose theta has another structure.

    Example:
      >>> import jax, jmeta
      >>> settings = dict(widths=(4,), num_streams=4, num_tasks=4)
      >>> tasks = jmeta.tasks.PointNavigation(horizon=5)
      >>> outer = jmeta.algorithms.maml(tasks, **settings)
      >>> theta = outer.inner.init(jax.random.key(0))
      >>> report = jmeta.diagnostics.meta_gradient(
      ...     outer, theta, jax.random.key(1), num_estimates=4, num_reference=4, num_pairs=4)
      >>> sorted(report.norms)
      ["weights['policy']", "weights['torso']"]
    """
    for name, value in (("num_estimates", num_estimates), ("num_reference", num_reference)):
        if value < 2:
            raise ValueError(f"{name}={value}: give at least 2, to estimate the noise")
    right = outer if reference is None else reference
    if jax.eval_shape(right.inner.init, key) != jax.eval_shape(lambda: theta):
        raise ValueError("reference has another theta than the one given: build it with the same networks and rules")
    estimate_key, reference_key, first_key, evolution_key = jax.random.split(key, 4)
    estimates = _gradients(outer, theta, estimate_key, num_estimates)
    references = _gradients(right, theta, reference_key, num_reference)
    first_order = None
    if not getattr(outer.inner, "first_order", True):
        plain = dataclasses.replace(outer, inner=outer.inner.replace(first_order=True))  # type: ignore[attr-defined]
        first_order = _gradients(plain, theta, first_key, num_estimates).mean(0)
    evolution = _evolution_gradient(outer, theta, evolution_key, num_pairs, sigma)
    truth = references.mean(0)
    size = float(np.linalg.norm(truth))
    variance = float(estimates.var(0, ddof=1).sum())
    reference_variance = float(references.var(0, ddof=1).sum())
    return MetaGradientReport(
        norms=_norms(theta, truth),
        bias=float(np.linalg.norm(estimates.mean(0) - truth)) / size,
        resolution=float(np.sqrt(variance / num_estimates + reference_variance / num_reference)) / size,
        noise=float(np.sqrt(variance)) / size,
        cosine=float(np.mean([_cosine(estimate, truth) for estimate in estimates])),
        first_order_cosine=None if first_order is None else _cosine(first_order, truth),
        evolution_cosine=_cosine(evolution, truth),
    )


def _gradients(outer: PPO, theta: Theta, key: jax.Array, number: int) -> np.ndarray:
    """Returns the ascent directions [number, P] of ``number`` meta-batches."""

    def one(key: jax.Array) -> jax.Array:
        state = outer.init(key)._replace(theta=theta)
        group, _ = outer.gather(state, jax.random.split(key, outer.num_tasks))
        return -ravel_pytree(outer.gradient(theta, group)[0])[0]

    return _of_each(one, jax.random.split(key, number))


def _evolution_gradient(outer: PPO, theta: Theta, key: jax.Array, num_pairs: int, sigma: float) -> np.ndarray:
    """Returns the evolution-strategies gradient [P], without ranks; every pair of perturbations has its own tasks."""
    learner = OpenAIES(
        inner=outer.inner,
        tasks=outer.tasks,
        protocol=outer.protocol,
        segment_weights=outer.segment_weights,
        num_tasks=outer.num_tasks,
        population_size=2,
        sigma=sigma,
        ranked=False,
    )

    def one(key: jax.Array) -> jax.Array:
        live_key, pair_key = jax.random.split(key)
        return ravel_pytree(learner.gradient(theta, jax.random.split(live_key, outer.num_tasks), pair_key[None])[0])[0]

    return _of_each(one, jax.random.split(key, num_pairs)).mean(0)


def _of_each(function: Callable[[jax.Array], jax.Array], keys: jax.Array) -> np.ndarray:
    """Applies ``function`` to the keys one at a time."""
    return np.asarray(jax.jit(lambda keys: jax.lax.map(function, keys))(keys), np.float64)


def _norms(theta: Theta, gradient: np.ndarray) -> dict[str, float]:
    """Returns the norm of each part of a gradient; a part is a node at the second level of theta's tree."""
    _, unravel = ravel_pytree(theta)
    squares: dict[str, float] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(unravel(jnp.asarray(gradient, jnp.float32))):
        name = jax.tree_util.keystr(path[:2]).removeprefix(".")
        squares[name] = squares.get(name, 0.0) + float(np.square(leaf).sum())
    return {name: float(np.sqrt(square)) for name, square in squares.items()}


def _cosine(a: np.ndarray, b: Any) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
