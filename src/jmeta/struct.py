"""Dataclasses that are pytrees: ``flax.struct.dataclass``, but for what ``jax.jit`` makes of two classes with equal fields.

JAX (0.10.2, at least) holds the tree structures of two such classes to be equal, though their hashes differ, when
``jax.tree_util.register_dataclass`` registered them, as flax does: the names and values of their fields are compared, their
types are not. So a jitted function that has seen the one now and then runs that program for the other. Registered as below,
the structure knows its class.
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

    A field is a child of the tree; ``field(pytree_node=False)`` makes it static, part of the structure, hence hashable. Numbers
    are checked against the ranges in the annotations (``jmeta.ranges``) when somebody makes an instance, and so is what
    ``__post_init__`` checks; JAX, which puts anything into a tree, makes instances without.

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
    """Has ``__post_init__`` check the ranges of all fields before it does anything else."""
    then = cls.__dict__.get("__post_init__")
    if then is None and hasattr(cls, "__post_init__"):
        return  # that of a base does

    def __post_init__(self: Any) -> None:
        for each in dataclasses.fields(self):
            check_setting(each.name, getattr(self, each.name), each.type, each.default)
        if then is not None:
            then(self)

    cls.__post_init__ = __post_init__  # type: ignore[attr-defined]
