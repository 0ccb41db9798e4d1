"""A learner to test the laws on."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from jmeta.inner.base import InnerLearner
from jmeta.lifetime import LifetimeKeys, live_in
from jmeta.outer.base import OuterLearner
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Lifetime, MetaState, Metrics, Protocol, PyTree

SEED = 7
PERTURBATION = 0.3
"""Standard deviation of what is added to fresh meta-parameters, so that none is zero because it began so."""


class TwoSteps(NamedTuple):
    """Results of two outer steps by one jitted function."""

    before: MetaState
    after: MetaState  # the first
    metrics: Metrics  # of the first
    program: str  # StableHLO of the step
    num_traces: int


class LearnerCase:
    """An outer learner to test, and what several laws look at, computed once.

    Args:
      build: returns the learner, the same at every call. Choose small tasks and networks: the programs are compiled many times.

    Attributes:
      outer: the learner.
      theta: meta-parameters at some distance from fresh ones.
      lived: (phi and memory at the beginning, the lifetime [K, T, B]) in one task under ``theta``.
      step: ``outer.step``, jitted.
      two_steps: the first two outer steps from ``theta``.

    Raises:
      ValueError: for a learner that normalises observations or rewards.
    """

    def __init__(self, build: Callable[[], OuterLearner]) -> None:
        self.build = build
        self.outer = build()
        if self.outer.inner.unwrapped is not self.outer.inner:
            raise ValueError(
                "the laws look at a learner's own theta: build it without normalize_observations and normalize_rewards, which "
                "wrap any learner in the same way"
            )
        self.inner: InnerLearner = self.outer.inner
        self.tasks: TaskDistribution = self.outer.tasks
        self.theta = self._perturbed_theta()  # now, since a law may first ask for it while it is traced

    def _perturbed_theta(self) -> PyTree:
        fresh = self.inner.init(jax.random.key(1))
        leaves, structure = jax.tree.flatten(fresh)
        keys = jax.random.split(jax.random.key(2), len(leaves))
        moved = [leaf + PERTURBATION * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys, strict=True)]
        return jax.tree.unflatten(structure, moved)

    @functools.cached_property
    def lived(self) -> tuple[tuple[PyTree, PyTree], Lifetime]:
        return jax.jit(self.live)(self.theta, law_key())

    @functools.cached_property
    def step(self) -> Any:
        """The learner's step, jitted; one function, so that laws share its trace."""
        return jax.jit(self.outer.step)

    @functools.cached_property
    def two_steps(self) -> TwoSteps:
        step = self.step
        before = jax.jit(self.outer.init)(law_key())._replace(theta=self.theta)
        after, metrics = step(before, law_key())
        step(after, jax.random.key(3))
        num_traces = step._cache_size()
        return TwoSteps(before, after, metrics, step.lower(before, law_key()).as_text(), num_traces)

    def live(self, theta: PyTree, key: jax.Array, protocol: Protocol | None = None) -> tuple[tuple[PyTree, PyTree], Lifetime]:
        """Lives in one new task.

        Returns:
          Phi and memory at the beginning, and the lifetime [K, T, B].
        """
        protocol = protocol or self.outer.protocol
        task_key, begin_key, live_key = jax.random.split(key, 3)
        task = self.tasks.sample(task_key)
        keys = LifetimeKeys.of(begin_key, live_key)
        begun, _, lifetime = live_in(self.inner, self.tasks, theta, task, keys, protocol=protocol)
        return begun, lifetime


def law_key() -> jax.Array:
    """The key of every law; made when it is needed, since importing jmeta computes nothing."""
    return jax.random.key(SEED)
