"""Words of the command line: options of settings, and docstrings as text for a terminal."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jmeta.algorithms import ALGORITHMS

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


def words(value: Any) -> Iterator[str]:
    """Yields the words that stand for a value on the command line."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from words(item)
    else:
        yield str(value)
