"""Algorithms that differ from another in a part or two say only what differs."""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from jmeta.algorithms.normalisation import SETTINGS
from jmeta.outer.base import OuterLearner, check_tasks
from jmeta.outer.ppo import PPO
from jmeta.ranges import check_arguments
from jmeta.tasks.base import TaskDistribution

Settings = ParamSpec("Settings")
OuterOf = TypeVar("OuterOf", bound=OuterLearner)


def variant_of(
    base: Callable[..., OuterLearner], *, without: tuple[str, ...] = ()
) -> Callable[[Callable[..., OuterLearner]], Callable[..., OuterLearner]]:
    """Marks a composition that takes the settings of ``base`` beside its own, as ``**settings``.

    Its signature then shows them all, so the command line and ``help`` do.

    Args:
      base: the algorithm it differs from.
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
    """Marks a composition, which then raises TypeError for a task's name or class in place of the distribution."""

    @functools.wraps(build)
    def checked(tasks: TaskDistribution, *args: Settings.args, **settings: Settings.kwargs) -> OuterOf:
        check_tasks(tasks)
        return build(tasks, *args, **settings)

    return checked


def with_inner(learner: PPO, **fields: Any) -> PPO:
    """The learner with these fields of its inner learner changed."""
    return dataclasses.replace(learner, inner=learner.inner.replace(**fields))  # type: ignore[attr-defined]


def fields_for(kind: Any, thing: Any) -> dict[str, Any]:
    """Returns the fields of a dataclass that another class has too."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing) if field.name in names}
