"""Checks that values of TOML and JSON files have the types of annotations."""

import types
import typing
from typing import Annotated, Any, Literal, get_args, get_origin


def fits(value: Any, annotation: Any) -> bool:
    """Returns whether a value of a TOML or JSON file is of this type; types that such files do not have pass."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, argument) for argument in arguments)
    if origin is Literal:
        return value in arguments
    if origin is Annotated:
        return fits(value, arguments[0])
    if origin is dict:
        return isinstance(value, dict) and all(fits(item, arguments[1]) for item in value.values())
    if origin in (tuple, list):
        if isinstance(value, dict):  # a table is a list of pairs
            value = list(value.items())
        if not isinstance(value, list | tuple):
            return False
        if origin is list or (len(arguments) == 2 and arguments[1] is Ellipsis):
            return all(fits(item, arguments[0]) for item in value)
        return len(value) == len(arguments) and all(fits(v, a) for v, a in zip(value, arguments, strict=True))
    if annotation is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if annotation in (str, bool):
        return isinstance(value, annotation)
    if annotation is types.NoneType:
        return value is None
    return getattr(annotation, "__module__", "").partition(".")[0] not in ("jax", "jaxlib", "numpy")


def say_type(annotation: Any) -> str:
    """Returns a type in words."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    names = {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}
    members = [x for x in get_args(annotation) if x in names] if get_origin(annotation) in (typing.Union, types.UnionType) else []
    if annotation in names or members:
        return names[annotation] if annotation in names else names[members[0]]
    return f"of type {annotation}".replace("typing.", "")


def misfit(table: Any, annotations: dict[str, Any], required: set[str], path: str = "") -> str | None:
    """Returns the first error of a JSON object in words, or None.

    Args:
      table: the value that was read.
      annotations: types by key; other keys pass.
      required: keys that must be there.
      path: path of the object, such as "recipe.".
    """
    if not isinstance(table, dict):
        return f"{path.rstrip('.') or 'it'} is no object"
    if missing := sorted(required - table.keys()):
        return f"it has no {path + missing[0]!r}"
    for key, annotation in annotations.items():
        if key in table and not fits(table[key], annotation):
            return f"{path}{key}={_short(table[key])} is not {say_type(annotation)}"
    return None


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 60 else said[:57] + "..."
