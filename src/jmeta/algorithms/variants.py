"""Decorators for algorithms that are variants of another one and take its settings."""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from jmeta.algorithms.normalisation import SETTINGS
from jmeta.outer.base import OuterLearner
from jmeta.outer.checks import check_tasks
from jmeta.outer.ppo import PPO
from jmeta.ranges import check_arguments
from jmeta.tasks.base import TaskDistribution

Settings = ParamSpec("Settings")
OuterOf = TypeVar("OuterOf", bound=OuterLearner)


def variant_of(
    base: Callable[..., OuterLearner], *, without: tuple[str, ...] = ()
) -> Callable[[Callable[..., OuterLearner]], Callable[..., OuterLearner]]:
    """Marks an algorithm that takes the settings of ``base`` as ``**settings`` in addition to its own.

    Its signature then lists all settings, and so do the command line and ``help``.

    Args:
      base: the algorithm that it is a variant of.
      without: settings of ``base`` that have no meaning here.
    """

    def mark(function: Callable[..., OuterLearner]) -> Callable[..., OuterLearner]:
        own = [p for p in inspect.signature(function, eval_str=True).parameters.values() if p.kind is not p.VAR_KEYWORD]
        taken = {p.name for p in own} | set(without) | set(SETTINGS)
        inherited = [p for p in inspect.signature(base, eval_str=True).parameters.values() if p.name not in taken]
        signature = inspect.Signature([*own, *inherited], return_annotation=OuterLearner)

        @functools.wraps(function)
        def build(tasks: TaskDistribution, **settings: Any) -> OuterLearner:
            check_tasks(tasks)
            check_arguments(signature, settings)
            return function(tasks, **settings)

        build.__signature__ = signature  # type: ignore[attr-defined]
        function.__wrapped__ = base  # type: ignore[attr-defined]
        return build

    return mark


def takes_tasks(
    build: Callable[Concatenate[TaskDistribution, Settings], OuterOf],
) -> Callable[Concatenate[TaskDistribution, Settings], OuterOf]:
    """Marks an algorithm, which then raises TypeError if it is given a task's name or class instead of a distribution."""

    @functools.wraps(build)
    def checked(tasks: TaskDistribution, *args: Settings.args, **settings: Settings.kwargs) -> OuterOf:
        check_tasks(tasks)
        return build(tasks, *args, **settings)

    return checked


def with_inner(learner: PPO, **fields: Any) -> PPO:
    """Returns the learner with these fields of its inner learner replaced."""
    return dataclasses.replace(learner, inner=learner.inner.replace(**fields))  # type: ignore[attr-defined]


def fields_for(kind: Any, thing: Any) -> dict[str, Any]:
    """Returns the fields of the dataclass ``thing`` that the class ``kind`` also has."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing) if field.name in names}
