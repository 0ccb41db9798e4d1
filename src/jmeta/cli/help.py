"""Help texts of algorithms, tasks and their settings, made from docstrings with settings spelled as options."""

import dataclasses
import inspect
import keyword
import re
from collections.abc import Callable
from typing import Any

import docstring_parser

from jmeta.cli.plain import plain, words
from jmeta.outer.base import OuterLearner
from jmeta.ranges import ranges
from jmeta.registry import settings
from jmeta.struct import declaring_class

HEADINGS = ("run", "agent", "training", "task")  # under which help lists settings, besides those of the user's own code


def about(thing: Callable[..., Any], prefix: str = "--") -> str:
    """Returns the description of an algorithm or a task family, its docstring without the lists of settings and papers."""
    documented = inspect.getdoc(thing) or ""
    if inspect.isclass(thing) and documented.startswith(tuple(f"{kind.__name__}(" for kind in thing.__mro__)):
        documented = ""  # the signature, which dataclasses writes where there is no docstring
    described = re.split(r"^(?:Args|Attributes):|\n(?:Args|Attributes|Returns|Raises|Example|References)[^\n]*:", documented)[0]
    return plain(described, settings(thing), prefix) or f"(no description: add a docstring to {_name_of(thing)})"


def headline(thing: Callable[..., Any], prefix: str = "--") -> str:
    """Returns the first paragraph of ``about``, one sentence on one line."""
    return about(thing, prefix).split("\n\n")[0]


def setting_texts(thing: Callable[..., Any], prefix: str = "--") -> dict[str, str]:
    """Returns the help text of each setting of an algorithm or a task family, with its range, on one line.

    The text of a setting that has no description says where to add one.
    """
    names, described = settings(thing), _descriptions(thing)
    texts = {name: " ".join(plain(described.get(name, ""), names, prefix).split()) for name in names}
    return {
        name: _with_range(text, names[name].annotation) if text else f"(no description: add it {_place_of(thing, name)})"
        for name, text in texts.items()
    }


def default_text(value: Any) -> str:
    """Returns a default as it is written on the command line, or "required" or "optional" where there is none."""
    if value is inspect.Parameter.empty:
        return "required"
    if isinstance(value, bool):
        return "on" if value else "off"
    return "optional" if value is None else " ".join(words(value)) or "none"


def undescribed(thing: Callable[..., Any]) -> dict[str, str]:
    """Returns the settings of an algorithm or a task family that have no description, each with the place to add it."""
    described = _descriptions(thing)
    return {name: _place_of(thing, name) for name in settings(thing) if not described.get(name)}


def by_heading(thing: Callable[..., Any]) -> dict[str, list[str]]:
    """Returns the names of the settings of an algorithm or a task family by the heading under which help lists them.

    Those of a task family stand under "task". A setting of an algorithm stands under "training" if an outer learner of jmeta
    declares it, under "agent" if another part of jmeta does, and else under the name of the algorithm, which is the user's own.
    """
    if inspect.isclass(thing):
        headings = {"task": list(settings(thing))}
    else:
        own = _name_of(thing)
        if not own.isidentifier() or keyword.iskeyword(own) or own in HEADINGS:
            own = "algorithm"
        headings = {own: [], "agent": [], "training": []}
        for name in settings(thing):
            headings[_part_of_jmeta(thing, name) or own].append(name)
    return {heading: names for heading, names in headings.items() if names}


def _part_of_jmeta(algorithm: Callable[..., Any], name: str) -> str:
    """Returns "training" or "agent", which says what first declares a setting, or "" if jmeta does not."""
    kind: Any = getattr(algorithm, "settings", object)
    bases = [base for base in kind.__mro__ if name in inspect.get_annotations(base)]
    if not bases or not bases[-1].__module__.startswith("jmeta."):
        return ""
    trains = bases[-1].__module__.startswith("jmeta.outer.") or name in inspect.get_annotations(OuterLearner)
    return "training" if trains else "agent"


def _name_of(thing: Any) -> str:
    return str(getattr(thing, "__name__", type(thing).__name__))


def _descriptions(thing: Callable[..., Any]) -> dict[str, str]:
    """Returns the descriptions of settings by name, those of a task family also from its base classes."""
    kinds: list[Any] = [kind for kind in thing.__mro__ if dataclasses.is_dataclass(kind)] if inspect.isclass(thing) else [thing]
    texts: dict[str, str] = {}
    for kind in reversed(kinds):
        documented = docstring_parser.parse(inspect.cleandoc(kind.__doc__ or "")).params
        texts |= {each.arg_name: each.description for each in documented if each.description}
    return texts


def _place_of(thing: Any, name: str) -> str:
    """Returns the place in the code where a setting is described."""
    kind = thing if inspect.isclass(thing) else getattr(thing, "settings", object)
    if any(name in inspect.get_annotations(base) for base in kind.__mro__):
        return f"under Attributes in the docstring of {declaring_class(kind, name).__name__}"
    return f"under Args in the docstring of {_name_of(thing)}"


def _with_range(text: str, annotation: Any) -> str:
    """Returns ``text`` with the range of an annotation in brackets, unless the text states it or the range is obvious."""
    allowed = " or ".join(dict.fromkeys(str(each).removeprefix("of ") for _, each in ranges(annotation)))
    said = allowed in ("", "finite", "at least 1") or re.search(r"\bin [\[(][0-9]", text) is not None
    return text if said else f"{text.removesuffix('.')} ({allowed})."
