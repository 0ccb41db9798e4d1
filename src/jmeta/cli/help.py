"""Help texts of algorithms, tasks and their settings, made from docstrings with settings spelled as options."""

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

import docstring_parser

from jmeta.algorithms import ALGORITHMS
from jmeta.outer.base import OuterLearner
from jmeta.ranges import ranges
from jmeta.registry import settings

TASK_PREFIX = "--task."  # of the settings of a task


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
    described = re.split(r"\n(?:Args|Attributes|Returns|Raises|Example|References)[^\n]*:", inspect.getdoc(thing) or "")[0]
    return plain(described, settings(thing), prefix)


def headline(thing: Callable[..., Any], prefix: str = "--") -> str:
    """Returns the first paragraph of ``about``, one sentence on one line."""
    return about(thing, prefix).split("\n\n")[0]


def setting_texts(thing: Callable[..., Any], prefix: str = "--") -> dict[str, str]:
    """Returns the help text of each setting of an algorithm or a task family, with its range, on one line."""
    documented = docstring_parser.parse(inspect.getdoc(thing) or "").params
    described = {p.arg_name: p.description or "" for p in documented}
    names = settings(thing)
    texts = {name: " ".join(plain(described.get(name, ""), names, prefix).split()) for name in names}
    return {name: _with_range(text, names[name].annotation) for name, text in texts.items()}


def by_heading(algorithm: Callable[..., Any]) -> dict[str, list[str]]:
    """Returns the names of an algorithm's settings by the heading under which help lists them.

    Settings that are declared beside an outer learner are those of the training, and the others are the agent's. An algorithm
    without a class of settings has one heading.
    """
    kind = getattr(algorithm, "settings", None)
    if kind is None:
        return {"algorithm": list(settings(algorithm))}
    headings: dict[str, list[str]] = {"agent": [], "training": []}
    for name in settings(algorithm):
        declared = [base for base in kind.__mro__ if name in inspect.get_annotations(base)][-1]
        trains = declared.__module__.startswith("jmeta.outer.") or name in inspect.get_annotations(OuterLearner)
        headings["training" if trains else "agent"].append(name)
    return {heading: names for heading, names in headings.items() if names}


def _with_range(text: str, annotation: Any) -> str:
    """Returns ``text`` with the range of an annotation in brackets, unless the text states it or the range is obvious."""
    allowed = " or ".join(dict.fromkeys(str(each).removeprefix("of ") for _, each in ranges(annotation)))
    said = not text or allowed in ("", "finite", "at least 1") or re.search(r"\bin [\[(][0-9]", text) is not None
    return text if said else f"{text.removesuffix('.')} ({allowed})."
