"""Help texts of algorithms, tasks and their settings, made from docstrings with settings spelled as options."""

import dataclasses
import inspect
import keyword
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import docstring_parser

from jmeta.algorithms import ALGORITHMS
from jmeta.outer.base import OuterLearner
from jmeta.ranges import ranges
from jmeta.registry import settings
from jmeta.struct import declaring_class

TASK_PREFIX = "--task."  # of the settings of a task
HEADINGS = ("run", "agent", "training", "task")  # under which help lists settings, besides those of the user's own code


def flag(name: str, prefix: str = "--") -> str:
    """Returns the option of a setting on the command line, ``--num-tasks`` for ``num_tasks``."""
    return prefix + name.replace("_", "-")


def plain(text: str, names: Iterable[str] = (), prefix: str = "--") -> str:
    """Returns a docstring's text for a terminal: paragraphs unwrapped, without markup, settings spelled as options.

    Args:
      text: paragraphs are separated by empty lines; indented ones, such as equations, are kept as they are.
      names: settings to replace, written as ``name`` or ``name=value``. One without an underscore is replaced only where it is
        marked up or has a value, since it may be an ordinary word.
      prefix: prefix of the options.
    """
    for name in names:
        option = flag(name, prefix)
        text = re.sub(rf"``{name}``|(?<![\w.-]){name}(?!\.?\w|=|-\w)" if "_" in name else rf"``{name}``", option, text)
        text = re.sub(rf"``{name}=([^`]+)``|(?<![\w.-]){name}=(\"[^\"]*\"|'[^']*'|[\w.-]*\w)", partial_option(option), text)
    for name in ALGORITHMS:
        text = re.sub(rf"(?<![\w.]){name.replace('-', '_')}(?!\w)", name, text)
    text = re.sub(r"such as \(([^()]+)\)", lambda found: f"such as {found[1].replace(',', '')}", text)
    text = re.sub(r"``(.+?)``", r"\1", text, flags=re.DOTALL)
    text = re.sub(r"(?<![\w*])\*(\w[^*]*\w)\*(?![\w*])", r"\1", text)
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join(p.rstrip() if p.startswith(" ") else " ".join(p.split()) for p in paragraphs)


def partial_option(option: str) -> Callable[[re.Match[str]], str]:
    """Returns a replacement of ``name=value`` by ``option value``; True and False become the option and its opposite."""

    def replace(found: re.Match[str]) -> str:
        value = (found[1] or found[2]).strip("\"'")
        if value in ("True", "False"):
            return option if value == "True" else re.sub(r"^(--(?:task\.)?)", r"\1no-", option)
        return f"{option} {value}"

    return replace


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


def words(value: Any) -> Iterator[str]:
    """Yields the words that stand for a value on the command line."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from words(item)
    else:
        yield str(value)
