"""Settings as JSON, and back in the types of their annotations."""

import dataclasses
import enum
import functools
import itertools
import json
import operator
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jmeta.registry.signatures import fields_of, settings
from jmeta.training.schema import misfit


def to_json(value: Any, name: str) -> Any:
    """Returns a setting as JSON: dataclasses as objects, enums by name, flags as "R|W", paths as strings, sets as sorted lists.

    Raises:
      ValueError: for any other type, except numbers, strings, None, tuples, lists and dictionaries.
    """
    if isinstance(value, enum.Flag) and value.name not in type(value).__members__:
        return "|".join(str(each.name) for each in value)
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, str | bool | int | float) or value is None:
        return value
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field: to_json(item, f"{name}.{field}") for field, item in fields_of(value).items()}
    if isinstance(value, tuple | list):
        return [to_json(item, name) for item in value]
    if isinstance(value, set | frozenset):
        return _sorted([to_json(item, name) for item in value])
    if isinstance(value, dict):
        return {str(key): to_json(item, name) for key, item in value.items()}
    raise ValueError(
        f"{name} is a {type(value).__name__}, which JSON can't hold, so a run with it could be neither continued nor "
        "evaluated: make it a number, a string, a tuple, an enum, a Path or a dataclass of those"
    )


def from_json(annotation: Any, value: Any) -> Any:
    """Returns a setting from JSON in the type of its annotation; lists become tuples where it states no type."""
    if value is None:
        return None
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return from_json(arguments[0], value)
    if origin in (typing.Union, types.UnionType):
        return from_json(next((one for one in arguments if _takes(one, value)), Any), value)
    kind = origin or annotation
    if isinstance(kind, type):
        if issubclass(kind, enum.Enum):
            return _member(kind, value)
        if issubclass(kind, Path):
            return kind(value)
        if issubclass(kind, set | frozenset):
            return kind(from_json(arguments[0] if arguments else Any, item) for item in value)
        if dataclasses.is_dataclass(kind) and isinstance(value, dict):
            return kind(**settings_from_json(kind, value))
        if issubclass(kind, tuple) and arguments and isinstance(value, list | tuple):
            each = itertools.repeat(arguments[0]) if arguments[-1] is Ellipsis else iter(arguments)
            return tuple(from_json(one, item) for one, item in zip(each, value, strict=False))
    return _as_tuple(value)


def settings_from_json(thing: Callable[..., Any], fields: dict[str, Any]) -> dict[str, Any]:
    """Returns settings of an algorithm, a task class or a dataclass from JSON, each in the type of its annotation."""
    known = settings(thing)
    return {name: from_json(known[name].annotation if name in known else Any, value) for name, value in fields.items()}


def _sorted(items: list[Any]) -> list[Any]:
    """Returns JSON values in order, or in the order of their texts if they can't be compared."""
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=json.dumps)


def _names(kind: type[enum.Enum], value: str) -> list[str]:
    """Returns the names of the members of an enum in "LEFT", or of a flag in "R|W"; none in ""."""
    return [name for name in value.split("|") if name] if issubclass(kind, enum.Flag) else [value]


def _member(kind: type[enum.Enum], value: str) -> enum.Enum:
    """Returns the member of an enum of that name, or the members of a flag together.

    Raises:
      ValueError: if there is no such member; the message names all.
    """
    if unknown := [name for name in _names(kind, value) if name not in kind.__members__]:
        raise ValueError(f"{kind.__name__} has no {unknown[0]!r}: choose from {', '.join(kind.__members__)}")
    members: list[Any] = [kind[name] for name in _names(kind, value)]
    return functools.reduce(operator.or_, members, kind(0)) if issubclass(kind, enum.Flag) else members[0]


def _takes(annotation: Any, value: Any) -> bool:
    """Returns whether a member of a union is the type that this JSON was written from."""
    kind = typing.get_origin(annotation) or annotation
    if not isinstance(kind, type):
        return False
    if issubclass(kind, enum.Enum):
        return isinstance(value, str) and set(_names(kind, value)) <= kind.__members__.keys()
    if dataclasses.is_dataclass(kind):
        return isinstance(value, dict) and value.keys() == {field.name for field in dataclasses.fields(kind) if field.init}
    return isinstance(value, str) if issubclass(kind, Path) else isinstance(value, kind)


def as_tuples(fields: dict[str, Any]) -> dict[str, Any]:
    """Returns settings from JSON with their lists as tuples."""
    return {name: _as_tuple(value) for name, value in fields.items()}


def _as_tuple(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_as_tuple(item) for item in value)
    return as_tuples(value) if isinstance(value, dict) else value


def same(a: Any, b: Any) -> bool:
    """Returns whether two settings are equal; a list equals a tuple of the same items, and NaN equals NaN."""
    return bool(_as_tuple(a) == _as_tuple(b)) or (a != a and b != b)


def strict_misfit(table: Any, annotations: dict[str, Any], required: set[str], name: str) -> str | None:
    """Returns the first error of a JSON object in words, or None, as ``misfit`` does; a key without a type is an error too.

    Args:
      table: the value that was read.
      annotations: types by key.
      required: keys that must be there.
      name: the name of the object.
    """
    if wrong := misfit(table, annotations, required, f"{name}."):
        return wrong
    odd = sorted(table.keys() - annotations.keys())
    return f"{name} has {odd[0]!r}" if odd else None
