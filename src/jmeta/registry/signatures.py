"""Settings of algorithms and task families, read off their signatures and fields."""

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

import jax


def settings(thing: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Returns the settings of an algorithm or a task class by name, without task distribution, split and environment."""
    parameters = inspect.signature(thing, eval_str=True).parameters
    factories: dict[str, Any] = {}
    if dataclasses.is_dataclass(thing):
        fields = dataclasses.fields(thing)
        factories = {f.name: f.default_factory for f in fields if f.default_factory is not dataclasses.MISSING}
    return {
        name: p.replace(annotation=_without_arrays(p.annotation), default=factories[name]() if name in factories else p.default)
        for name, p in parameters.items()
        if name not in ("tasks", "split", "environment")
    }


def _without_arrays(annotation: Any) -> Any:
    """Returns the type of a setting that is given as a number: a union without ``jax.Array``, which stands for traced numbers."""
    members = typing.get_args(annotation)
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType) or jax.Array not in members:
        return annotation
    return typing.Union[tuple(each for each in members if each is not jax.Array)]  # noqa: UP007


def fields_of(settings_object: Any) -> dict[str, Any]:
    """Returns the fields that a settings dataclass is built from, as a dictionary, one level deep."""
    return {field.name: getattr(settings_object, field.name) for field in dataclasses.fields(settings_object) if field.init}
