"""Dataclasses that are pytrees, like ``flax.struct.dataclass``; ``jax.jit`` tells classes with equal fields apart.

flax registers its dataclasses with ``jax.tree_util.register_dataclass``. JAX (0.10.2, at least) then compares the names and
values of their fields but not their classes, so the tree structures of two classes can be equal although their hashes differ.
A jitted function that was compiled for one class sometimes runs that program for the other. The registration below makes the
class part of the structure.
"""

import contextlib
import dataclasses
import difflib
import functools
import inspect
import sys
from collections.abc import Hashable, Iterable
from types import SimpleNamespace
from typing import Any, TypeVar, dataclass_transform, get_type_hints

import jax
from flax.struct import field as field

from jmeta.ranges import check_setting

Class = TypeVar("Class", bound=type)


@dataclass_transform(frozen_default=True, field_specifiers=(field, dataclasses.field))
def dataclass(cls: Class) -> Class:
    """Makes a class a frozen dataclass and a pytree.

    A field is a child of the tree. ``field(pytree_node=False)`` makes it static: part of the structure, so it must be hashable.
    The constructor checks values against the ranges and choices in the annotations (``jmeta.ranges``) and then runs
    ``__post_init__``. JAX rebuilds instances without these checks, since the leaves of a tree may be any objects.

    Raises:
      TypeError: if two base classes declare a field differently and the class does not declare it; when an instance is made
        with a field that does not exist, and the message names the nearest.
      ValueError: when an instance is made with a value out of range.

    Example:
      >>> from jmeta import struct
      >>> @struct.dataclass
      ... class Rate:
      ...     value: float
      ...     name: str = struct.field(pytree_node=False, default="rate")
      >>> jax.tree.map(lambda x: 2 * x, Rate(0.5))
      Rate(value=1.0, name='rate')
    """
    made = _checked_dataclass(cls, "field", frozen=True)
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


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field, dataclasses.field))
def settings(cls: Class) -> Class:
    """Makes a class a group of settings: a frozen dataclass of keyword arguments, from which other classes inherit their fields.

    Each setting is declared, with its type, default and description, in the group beside the learner that has it. The learner
    inherits from the group, and so do the settings of the algorithms that build the learner (``jmeta.algorithms.base``). Values
    are checked as those of ``dataclass`` are. A group by itself is no pytree; the learner that inherits its fields is one, and
    ``field(pytree_node=False)`` says which of them are static there.

    Raises:
      TypeError: if two base classes declare a setting differently and the class does not declare it.
      ValueError: when an instance is made with a value out of range.

    Example:
      >>> from jmeta import struct
      >>> @struct.settings
      ... class RateSettings:
      ...     rate: float = 0.5
      >>> @struct.dataclass
      ... class Rule(RateSettings):
      ...     name: str = struct.field(pytree_node=False, default="rule")
      >>> @struct.settings
      ... class FastSettings(RateSettings):
      ...     rate: float = 2.0
      >>> Rule(**struct.fields_for(Rule, FastSettings()))
      Rule(rate=2.0, name='rule')
    """
    made = _checked_dataclass(cls, "setting", frozen=True, kw_only=True)
    made.replace = dataclasses.replace
    return made


def check_names(owner: str, noun: str, given: Iterable[str], known: Iterable[str], former: dict[str, str] | None = None) -> None:
    """Raises TypeError for a name that is not known, and names the one that may have been meant.

    Args:
      owner: what has the names, such as "PPO".
      noun: what the names are, such as "setting".
      given: the names to check.
      known: the names that exist.
      former: present names by former ones.
    """
    known = list(known)
    unknown = next((name for name in given if name not in known), None)
    if unknown is None:
        return
    words = set(unknown.split("_"))
    renamed = [name for name in [(former or {}).get(unknown)] if name in known]
    longer = [name for name in known if words < set(name.split("_"))]
    near = renamed or longer or difflib.get_close_matches(unknown, known, n=1)
    raise TypeError(f"{owner} has no {noun} {unknown!r}{f'; did you mean {near[0]!r}?' if near else ''}")


def _checked_dataclass(cls: Any, noun: str, **options: bool) -> Any:
    """Returns the class as a dataclass that checks how its fields are declared, and the names and values of new instances."""
    check_first(cls)
    has_own = "__init__" in vars(cls)
    made: Any = dataclasses.dataclass(**options)(cls)
    check_bases(made)
    if has_own:
        return made
    initialise = made.__init__
    known = list(inspect.signature(initialise).parameters)[1:]

    @functools.wraps(initialise)
    def __init__(self: Any, *args: Any, **given: Any) -> None:
        check_names(type(self).__name__, noun, given, known)
        initialise(self, *args, **given)

    made.__init__ = __init__
    return made


def fields_for(kind: Any, thing: Any) -> dict[str, Any]:
    """Returns the fields of the dataclass ``thing`` that the class ``kind`` also has."""
    names = {each.name for each in dataclasses.fields(kind)}
    return {each.name: getattr(thing, each.name) for each in dataclasses.fields(thing) if each.name in names}


def declaring_class(cls: Any, name: str) -> type:
    """Returns the first class, in the order of inheritance, that annotates the field."""
    return next(base for base in cls.__mro__ if name in inspect.get_annotations(base))


def check_bases(cls: Any) -> None:
    """Raises TypeError unless each field is as the first class declares it that names it, in the order of inheritance.

    ``dataclasses`` also takes inherited fields from a base class, so a base that only inherits a field could hide that its other
    base declares it anew.
    """
    for each in dataclasses.fields(cls):
        first = declaring_class(cls, each.name)
        declared = first.__dict__.get("__dataclass_fields__", {}).get(each.name, each)
        if declared is not each:
            raise TypeError(
                f"{cls.__name__} inherits {each.name}={each.default!r} from one base class and {declared.default!r} from "
                f"{first.__name__}: declare it in {cls.__name__}"
            )


@functools.cache
def annotations_of(cls: Any) -> dict[str, Any]:
    """Returns the types of a dataclass's fields by name.

    Those written as strings are evaluated where their names are known in the module of the class, and stay strings elsewhere.
    """
    types = {each.name: each.type for each in dataclasses.fields(cls)}
    for name, kind in types.items():
        if isinstance(kind, str):
            alone: Any = SimpleNamespace(__annotations__={name: kind})
            with contextlib.suppress(NameError, AttributeError):
                known = vars(sys.modules[declaring_class(cls, name).__module__])
                types[name] = get_type_hints(alone, globalns=known, include_extras=True)[name]
    return types


def check_first(cls: type) -> None:
    """Makes ``__post_init__`` check the ranges and choices of all fields first."""
    then = cls.__dict__.get("__post_init__")
    if then is None and hasattr(cls, "__post_init__"):
        return  # the one of a base class checks them

    def __post_init__(self: Any) -> None:
        kind: Any = type(self)
        types = annotations_of(kind)
        for each in dataclasses.fields(self):
            check_setting(each.name, getattr(self, each.name), types[each.name], each.default)
        if then is not None:
            then(self)

    cls.__post_init__ = __post_init__  # type: ignore[attr-defined]
