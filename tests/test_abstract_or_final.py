"""Every class is abstract or final: no class of jmeta inherits from a concrete class of jmeta."""

import abc
import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import pytest

import jmeta
from jmeta.types import Decided, Experience

RECORDS = (Decided, Experience)
"""Records of steps, which extend one another by fields. They hold data: a subclass overrides nothing."""


def classes() -> Iterator[type]:
    """Yields the classes that jmeta's modules define."""
    for module in pkgutil.walk_packages(jmeta.__path__, "jmeta."):
        if not module.name.endswith("__main__"):
            here = importlib.import_module(module.name)
            yield from (kind for kind in vars(here).values() if inspect.isclass(kind) and kind.__module__ == module.name)


def is_exempt(base: type) -> bool:
    """Settings are groups of fields, a named tuple is data, and an ``except`` clause catches an error by its base class."""
    return base.__name__.endswith("Settings") or base in RECORDS or issubclass(base, tuple | BaseException)


def concrete_bases(kind: type) -> list[str]:
    """Returns the concrete classes of jmeta that a class inherits from directly."""
    own = (base for base in kind.__bases__ if base.__module__.split(".")[0] == "jmeta")
    return [base.__qualname__ for base in own if not inspect.isabstract(base) and not is_exempt(base)]


def test_no_class_inherits_from_a_concrete_one() -> None:
    found = {f"{kind.__module__}.{kind.__qualname__}": concrete_bases(kind) for kind in classes()}
    assert len(found) > 200
    assert {name: bases for name, bases in found.items() if bases} == {}


@pytest.mark.parametrize("is_abstract", [False, True])
def test_an_abstract_base_has_an_abstract_member(is_abstract: bool) -> None:
    """A class is not abstract by its name or by ``abc.ABC`` alone: it could be made, and its subclasses would change it."""

    act = abc.abstractmethod(lambda self: None) if is_abstract else lambda self: None
    base = abc.ABCMeta("Base", (abc.ABC,), {"act": act, "__module__": "jmeta.somewhere"})
    agent = abc.ABCMeta("Agent", (base,), {})
    assert concrete_bases(agent) == ([] if is_abstract else ["Base"])
