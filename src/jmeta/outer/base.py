"""Base class of outer learners, which train meta-parameters over a distribution of tasks, and checks of their settings."""

import abc
import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.inner.base import InnerLearner
from jmeta.keys import as_key
from jmeta.parallel import BY_TASK, SHARED, mean_over_devices
from jmeta.ranges import Count
from jmeta.tasks import TASKS
from jmeta.tasks.base import TaskDistribution
from jmeta.tasks.checks import check_distribution
from jmeta.types import MetaState, Metrics, Protocol, Task, Theta

STATE_LAYOUT = MetaState(theta=SHARED, opt_state=SHARED, extra=SHARED, by_task=BY_TASK)
"""Partition of a meta-state over devices."""

TaskWeight = Callable[[Task], jax.Array]
"""Function that returns the weight [] of a task in the objective."""


class OuterLearner(abc.ABC):
    """Base class of outer learners: pure functions for the initial meta-state, an outer step and its meta-gradient.

    A subclass is a frozen ``jmeta.struct.dataclass``. Numbers are leaves, so whole trainings ``vmap`` over seeds and
    hyper-parameters. Task distributions and fields that set shapes are static, and learners are nested dataclasses.

    ``step`` must report the metrics ``return/before`` and ``return/after``, the mean return of the first and the last episode of
    its lifetimes. It may report others. All are scalars, and all are finite unless training diverges.

    Attributes:
      inner: inner learner that is meta-trained.
      tasks: task distribution that it is meta-trained on.
      protocol: amount of experience of one lifetime in one task.
      num_tasks: size of the meta-batch: lifetimes in each outer step.
    """

    inner: InnerLearner
    tasks: TaskDistribution
    protocol: Protocol
    num_tasks: Count

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Lets ``init``, ``step`` and ``meta_gradient`` of every subclass take a typed key, a raw key or a seed."""
        super().__init_subclass__(**kwargs)
        for name in {"init", "step", "meta_gradient"} & cls.__dict__.keys():
            setattr(cls, name, _given_any_key(cls.__dict__[name]))

    @abc.abstractmethod
    def init(self, key: jax.Array) -> MetaState:
        """Returns an initial meta-state."""

    @abc.abstractmethod
    def step(self, state: MetaState, key: jax.Array) -> tuple[MetaState, Metrics]:
        """Takes one outer step: rollouts, inner updates and the outer update, as one pure function and one XLA program."""

    @abc.abstractmethod
    def meta_gradient(self, state: MetaState, key: jax.Array) -> Theta | None:
        """Returns the gradient, at ``state.theta``, of the loss on the lifetimes of an outer step with this key, on one device.

        A law tests that every leaf is finite and not zero. None if the learner takes no gradient, as in evolution strategies.
        """

    @abc.abstractmethod
    def check_devices(self, num_devices: int) -> None:
        """Raises ValueError if the meta-batch can't be split over that many devices."""

    @property
    def num_env_steps(self) -> int:
        """Environment steps of an outer step."""
        return self.num_tasks * self.protocol.num_env_steps

    def memory_remedy(self) -> str:
        """Returns advice for the case that an outer step does not fit into memory."""
        return f"use fewer than num_tasks={self.num_tasks}"

    def deploy(self, state: MetaState) -> Theta:
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


def check_protocol(tasks: TaskDistribution, protocol: Protocol) -> None:
    """Raises ValueError unless segments are whole episodes, counts are positive and the tasks pass ``check_distribution``."""
    if not isinstance(protocol, Protocol):
        raise TypeError(f"protocol={protocol!r}: give a jmeta.Protocol(num_segments=..., segment_length=..., num_streams=...)")
    check_at_least_one(**protocol._asdict())
    check_distribution(tasks)
    length, horizon = protocol.segment_length, tasks.horizon
    if length % horizon:
        nearest = max(1, round(length / horizon)) * horizon
        raise ValueError(
            f"segment_length={length} is not a whole number of episodes of {horizon} steps ({type(tasks).__name__}), so the last "
            f"episode would be cut off: use {nearest}, or change the task's horizon"
        )


def check_tasks(tasks: Any) -> None:
    """Raises TypeError unless ``tasks`` is a task distribution."""
    if isinstance(tasks, TaskDistribution):
        return
    if isinstance(tasks, type) and issubclass(tasks, TaskDistribution):
        raise TypeError(f"tasks is the class {tasks.__name__}: give an instance of it, such as {tasks.__name__}()")
    if isinstance(tasks, str) and tasks in TASKS:
        raise TypeError(f"tasks is the name {tasks!r}: give the distribution itself, jmeta.tasks.{TASKS[tasks].__name__}()")
    raise TypeError(f"tasks={tasks!r:.100} is no task distribution: give one, such as jmeta.tasks.BernoulliBandit()")


def check_fit(inner: InnerLearner, tasks: TaskDistribution) -> None:
    """Raises ValueError unless the inner learner was built for the observations and actions of the tasks."""
    agent, family = type(inner).__name__, type(tasks).__name__
    remedy = "build it for these tasks, or use the tasks that it was built for, outer.tasks"
    if inner.action_space != tasks.action_space:
        raise ValueError(f"{agent} acts in {inner.action_space} but {family} takes {tasks.action_space}: {remedy}")
    if inner.observation_size != tasks.observation_size:
        raise ValueError(
            f"{agent} takes observations of size {inner.observation_size} but {family} gives {tasks.observation_size}: {remedy} "
            "(the observations of an oracle include the task)"
        )


def check_divides(name: str, number: int, share: int, over: str) -> None:
    """Raises ValueError unless ``number`` of something splits evenly into ``share`` parts."""
    if number < 1 or number % share:
        nearest = max(1, round(number / share)) * share
        raise ValueError(
            f"{name}={number} can't be split evenly over {over}: use {name}={nearest}, or fewer "
            f"{'devices or minibatches' if 'minibatch' in over else 'devices'}"
        )


def check_at_least_one(**numbers: int) -> None:
    """Raises ValueError unless each is a whole number of at least 1."""
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise ValueError(f"{name}={value!r}: it must be a whole number")
        if value < 1:
            raise ValueError(f"{name}={value}: it must be at least 1")


def check_choice(name: str, value: str, choices: Collection[str]) -> None:
    """Raises ValueError unless a setting's value is one of its choices."""
    if value not in choices:
        raise ValueError(f"{name}={value!r}: choose from {', '.join(choices)}")


def use_smaller(name: str, size: int) -> str:
    """Returns the advice to lower a setting that bounds memory, "use ", unless it is at its minimum."""
    return f"use {name} below {size}, or " if size > 1 else "use "


def check_segment_weights(segment_weights: tuple[float, ...], protocol: Protocol, name: str = "segment_weights") -> None:
    """Raises ValueError unless there is a weight for each segment."""
    if len(segment_weights) != protocol.num_segments:
        raise ValueError(
            f"{name} has {len(segment_weights)} entries but num_segments is {protocol.num_segments}: give one weight per segment"
        )


def remaining_rate(num_steps: jax.Array, anneal_steps: int | None) -> jax.Array:
    """Returns the annealing factor after so many outer steps: 1 falling to 0 over ``anneal_steps``, or 1 if that is None."""
    if anneal_steps is None:
        return jnp.ones((), jnp.float32)
    return jnp.maximum(1.0 - num_steps.astype(jnp.float32) / anneal_steps, 0.0)


def left_of_share(share: float, remaining: jax.Array | float) -> jax.Array:
    """Returns the factor of a rate that reaches 0 after a share of ``anneal_steps``, from the learning rate's factor."""
    return jnp.maximum(1.0 - (1.0 - remaining) / share, 0.0)
