"""Reptile: move the initial weights towards the adapted weights (Nichol et al. 2018, arXiv 1803.02999)."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jmeta import struct
from jmeta.inner.gradient_agent import GradientAgent, Initialisation
from jmeta.lifetime import LifetimeKeys, live_in
from jmeta.outer.base import OuterLearner
from jmeta.outer.checks import check_divides, check_fit, check_protocol
from jmeta.outer.metrics import lifetime_metrics
from jmeta.outer.schedules import remaining_rate
from jmeta.parallel import mean_over_devices, num_task_devices, over_tasks
from jmeta.ranges import Count, Positive
from jmeta.tasks.base import TaskDistribution
from jmeta.types import TASK_AXES, Lifetime, MetaState, Metrics, Protocol, PyTree


@struct.settings
class ReptileStepSettings:
    """Settings of Reptile's outer step.

    Attributes:
      num_tasks: tasks in each outer step (the meta-batch size).
      learning_rate: step size of the initial weights towards the mean adapted weights, epsilon in the paper.
      anneal_steps: outer steps over which the learning rate falls linearly to zero; constant by default.
    """

    num_tasks: Count = struct.field(pytree_node=False)
    learning_rate: jax.Array | Positive = 0.1
    anneal_steps: Count | None = struct.field(pytree_node=False, default=None)


@struct.dataclass
class Reptile(OuterLearner[Initialisation], ReptileStepSettings):
    """Steps theta <- theta + learning_rate * mean over tasks of (phi - theta), with phi after the lifetime's adaptations.

    Only the inner loss is differentiated. With a single inner step this is joint training on all tasks. With two or more, the
    difference contains a term that aligns the gradients of a task's steps.

    Attributes:
      inner: a ``MAML`` or another ``GradientAgent``, whose update rule has no parameters to learn.
      optimizer: learning rate -> optax transformation, which takes theta - phi as the gradient.

    References:
      Nichol et al. 2018, arXiv 1803.02999.
    """

    inner: GradientAgent
    tasks: TaskDistribution = struct.field(pytree_node=False)
    protocol: Protocol = struct.field(pytree_node=False)
    _: dataclasses.KW_ONLY
    optimizer: Callable[[Any], optax.GradientTransformation] = struct.field(pytree_node=False, default=optax.sgd)

    def __post_init__(self) -> None:
        check_protocol(self.tasks, self.protocol)
        check_fit(self.inner, self.tasks)
        if not isinstance(self.inner.unwrapped, GradientAgent):
            raise ValueError(
                f"Reptile moves theta towards phi, and those of {type(self.inner).__name__} differ in kind: use MAML"
            )
        if self.protocol.num_segments < 2:
            raise ValueError("num_segments=1: nothing adapts, so theta would not change; use one segment more than inner steps")
        self.check_devices(1)

    def check_devices(self, num_devices: int) -> None:
        check_divides("num_tasks", self.num_tasks, num_devices, f"{num_devices} device(s)")

    def init(self, key: jax.Array) -> MetaState[Initialisation]:
        theta = self.inner.init(key)
        if jax.tree.leaves(theta.rule):
            raise ValueError(f"Reptile can't learn the update rule {type(self.inner.rule).__name__}: use GradientDescent")
        return MetaState(theta, self.optimizer(self.learning_rate).init(theta), jnp.zeros((), jnp.int32))

    def meta_gradient(self, state: MetaState[Initialisation], key: jax.Array) -> None:
        """Returns None: Reptile follows phi - theta, which is not a gradient."""

    def step(self, state: MetaState[Initialisation], key: jax.Array) -> tuple[MetaState[Initialisation], Metrics]:
        self.check_devices(num_task_devices())
        return over_tasks(self._step)(state, jax.random.split(key, self.num_tasks))

    def _step(self, state: MetaState[Initialisation], keys: jax.Array) -> tuple[MetaState[Initialisation], Metrics]:
        theta = state.theta
        weights, lifetimes = jax.vmap(self._adapted, in_axes=(None, 0), out_axes=(0, TASK_AXES))(theta, keys)
        nearer = theta._replace(weights=mean_over_devices(jax.tree.map(lambda w: w.mean(0), weights)))
        difference = optax.tree.sub(theta, nearer)
        updates, opt_state = self.optimizer(self.learning_rate).update(difference, state.opt_state, theta)
        left = remaining_rate(state.extra, self.anneal_steps)
        theta = optax.apply_updates(theta, optax.tree.scale(left, updates))
        metrics = lifetime_metrics(self.tasks, self.protocol, lifetimes) | self.inner.measure(lifetimes)
        metrics = mean_over_devices(metrics)
        metrics |= {"distance": optax.tree.norm(difference), "theta_norm": optax.tree.norm(theta)}
        return MetaState(theta, opt_state, state.extra + 1), metrics

    def _adapted(self, theta: Initialisation, key: jax.Array) -> tuple[PyTree, Lifetime]:
        """Returns all weights after the adaptations of a lifetime in a new task, and the lifetime."""
        task_key, *keys = jax.random.split(key, 4)
        task = self.tasks.sample(task_key)
        lived = live_in(self.inner, self.tasks, theta, task, LifetimeKeys(*keys), protocol=self.protocol)
        return theta.weights | lived.life.phi.weights, lived.lifetime
