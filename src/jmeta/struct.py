"""Dataclasses that are pytrees, like ``flax.struct.dataclass``; ``jax.jit`` tells classes with equal fields apart.

flax registers its dataclasses with ``jax.tree_util.register_dataclass``. JAX (0.10.2, at least) then compares the names and
values of their fields but not their classes, so the tree structures of two classes can be equal although their hashes differ.
A jitted function that was compiled for one class sometimes runs that program for the other. The registration below makes the
class part of the structure.
"""

import dataclasses
from collections.abc import Hashable
from typing import Any, TypeVar, dataclass_transform

import jax
from flax.struct import field as field

from jmeta.ranges import check_setting

Class = TypeVar("Class", bound=type)


@dataclass_transform(frozen_default=True, field_specifiers=(field, dataclasses.field))
def dataclass(cls: Class) -> Class:
    """Makes a class a frozen dataclass and a pytree.

    A field is a child of the tree. ``field(pytree_node=False)`` makes it static: part of the structure, so it must be hashable.
    The constructor checks numbers against the ranges in the annotations (``jmeta.ranges``) and then runs ``__post_init__``. JAX
    rebuilds instances without these checks, since the leaves of a tree may be any objects.

    Raises:
      ValueError: when an instance is made with a number out of range.

    Example:
      >>> from jmeta import struct
      >>> @struct.dataclass
      ... class Rate:
      ...     value: float
      ...     name: str = struct.field(pytree_node=False, default="rate")
      >>> jax.tree.map(lambda x: 2 * x, Rate(0.5))
      Rate(value=1.0, name='rate')
    """
    check_first(cls)
    made: Any = dataclasses.dataclass(frozen=True)(cls)
    names: dict[bool, list[str]] = {True: [], False: []}
    for each in dataclasses.fields(made):
        names[each.metadata.get("pytree_node", True)].append(each.name)

    def flatten(tree: Any) -> tuple[tuple[Any, ...], Hashable]:
        return tuple(getattr(tree, name) for name in names[True]), tuple(getattr(tree, name) for name in names[False])

    def flatten_with_keys(tree: Any) -> tuple[tuple[Any, ...], Hashable]:
        children, static = flatten(tree)
        return tuple(zip(map(jax.tree_util.GetAttrKey, names[True]), children, strict=True)), static

    def unflatten(static: Any, children: Any) -> Any:
        tree = object.__new__(made)
        tree.__dict__.update(zip(names[True], children, strict=True))
        tree.__dict__.update(zip(names[False], static, strict=True))
        return tree

    jax.tree_util.register_pytree_with_keys(made, flatten_with_keys, unflatten, flatten)
    made.replace = dataclasses.replace
    return made


def check_first(cls: type) -> None:
    """Makes ``__post_init__`` check the ranges of all fields first."""
    then = cls.__dict__.get("__post_init__")
    if then is None and hasattr(cls, "__post_init__"):
        return  # the one of a base class checks them

    def __post_init__(self: Any) -> None:
        for each in dataclasses.fields(self):
            check_setting(each.name, getattr(self, each.name), each.type, each.default)
        if then is not None:
            then(self)

    cls.__post_init__ = __post_init__  # type: ignore[attr-defined]
