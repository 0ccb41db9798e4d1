"""Messages on standard error."""

import warnings
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.markup import escape

PACKAGE = Path(__file__).resolve().parents[1]


def say(message: str) -> None:
    """Prints a message to the letter, on one line."""
    Console(stderr=True).print(message, highlight=False, markup=False, soft_wrap=True)


def show_warnings_plainly() -> None:
    """Lets the warnings of jmeta, and those to the user's own calls, be one line without a place in the source."""
    usual = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if Path(filename).is_relative_to(PACKAGE):
            say_error("warning:", str(message))
        else:
            usual(message, category, filename, lineno, file, line)

    warnings.showwarning = show


def say_error(label: str, message: str) -> None:
    """Prints an error or a warning after a label in red."""
    Console(stderr=True).print(f"[bold red]{label}[/] {escape(message)}", highlight=False, soft_wrap=True)
