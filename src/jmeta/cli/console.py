"""Messages on standard error."""

from rich.console import Console
from rich.markup import escape


def say(message: str) -> None:
    """Prints a message to the letter, on one line."""
    Console(stderr=True).print(message, highlight=False, markup=False, soft_wrap=True)


def say_error(label: str, message: str) -> None:
    """Prints an error after a label in red."""
    Console(stderr=True).print(f"[bold red]{label}[/] {escape(message)}", highlight=False, soft_wrap=True)
