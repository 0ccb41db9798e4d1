"""Base class of outer learners, which train meta-parameters over a distribution of tasks."""

import abc
import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any, Generic

import jax

from jmeta.inner.base import InnerLearner
from jmeta.keys import as_key
from jmeta.parallel import BY_TASK, SHARED, mean_over_devices
from jmeta.ranges import Count
from jmeta.tasks.base import TaskDistribution
from jmeta.types import MetaState, Metrics, Protocol, Task, Theta

STATE_LAYOUT: MetaState[Any] = MetaState(theta=SHARED, opt_state=SHARED, extra=SHARED, by_task=BY_TASK)
"""Partition of a meta-state over devices."""

TaskWeight = Callable[[Task], jax.Array]
"""Function that returns the weight [] of a task in the objective."""


class OuterLearner(abc.ABC, Generic[Theta]):
    """Base class of outer learners: pure functions for the initial meta-state, an outer step and its meta-gradient.

    A subclass is a frozen ``jmeta.struct.dataclass``. Numbers are leaves, so whole trainings ``vmap`` over seeds and
    hyper-parameters. Task distributions and fields that set shapes are static, and learners are nested dataclasses.

    ``step`` must report the metrics ``return/before`` and ``return/after``, the mean return of the first and the last episode of
    its lifetimes. It may report others. All are scalars, and all are finite unless training diverges.

    The type of theta is a parameter, that of the inner learners that it trains: ``class Reptile(OuterLearner[Initialisation])``.

    Attributes:
      inner: inner learner that is meta-trained.
      tasks: task distribution that it is meta-trained on.
      protocol: amount of experience of one lifetime in one task.
      num_tasks: size of the meta-batch: lifetimes in each outer step.
    """

    inner: InnerLearner[Theta, Any, Any]
    tasks: TaskDistribution
    protocol: Protocol
    num_tasks: Count

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Lets ``init``, ``step`` and ``meta_gradient`` of every subclass take a typed key, a raw key or a seed."""
        super().__init_subclass__(**kwargs)
        for name in {"init", "step", "meta_gradient"} & cls.__dict__.keys():
            setattr(cls, name, _given_any_key(cls.__dict__[name]))

    @abc.abstractmethod
    def init(self, key: jax.Array) -> MetaState[Theta]:
        """Returns an initial meta-state."""

    def init_with(self, theta: Theta, key: jax.Array) -> MetaState[Theta]:
        """Returns an initial meta-state with given theta: what ``init`` returns if the inner learner's ``init`` makes this theta.

        All else is new, such as the state of the optimiser.
        """
        inner = copy.copy(self.inner)
        object.__setattr__(inner, "init", lambda key: theta)
        return self.replace(inner=inner).init(key)  # type: ignore[attr-defined]

    @abc.abstractmethod
    def step(self, state: MetaState[Theta], key: jax.Array) -> tuple[MetaState[Theta], Metrics]:
        """Takes one outer step: rollouts, inner updates and the outer update, as one pure function and one XLA program."""

    @abc.abstractmethod
    def meta_gradient(self, state: MetaState[Theta], key: jax.Array) -> Theta | None:
        """Returns the gradient, at ``state.theta``, of the loss on the lifetimes of an outer step with this key, on one device.

        A law tests that every leaf is finite and not zero. None if the learner takes no gradient, as in evolution strategies.
        """

    @abc.abstractmethod
    def check_devices(self, num_devices: int) -> None:
        """Raises ValueError if the meta-batch can't be split over that many devices."""

    @property
    def num_env_steps(self) -> int:
        """Environment steps of an outer step."""
        return int(self.num_tasks * self.protocol.num_env_steps)

    @property
    def credits_across_episodes(self) -> bool:
        """Whether the objective is the return of whole lifetimes, across the ends of episodes."""
        return False

    def memory_remedy(self) -> str:
        """Returns advice for the case that an outer step does not fit into memory."""
        return f"use fewer than num_tasks={self.num_tasks}"

    def deploy(self, state: MetaState[Theta]) -> Theta:
        """Returns the theta to deploy, with which an agent meets new tasks."""
        return state.theta


def _given_any_key(method: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps a method so that its argument ``key``, or else its last one, may be a typed key, a raw key or a seed."""
    signature = inspect.signature(method)
    name = "key" if "key" in signature.parameters else list(signature.parameters)[-1]

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs)
        given.arguments[name] = as_key(given.arguments[name])
        return method(*given.args, **given.kwargs)

    return call


def relative_weights(weigh: TaskWeight, tasks: Task) -> jax.Array:
    """Returns the weights [n] of this device's tasks [n], scaled to a mean of 1 over all devices."""
    weight = jax.vmap(weigh)(tasks)
    return weight / mean_over_devices(weight.mean())
