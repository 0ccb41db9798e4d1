"""Commands, and decorators that make one of a function."""

import dataclasses
from collections.abc import Callable

import tyro


@dataclasses.dataclass(frozen=True)
class Command:
    """A command of the command line.

    Attributes:
      name: the word after ``jmeta``.
      summary: its line in the overview, which says what it does and how it is called.
      run: runs it on the words after its name, and returns the exit status.
    """

    name: str
    summary: str
    run: Callable[[list[str]], int]


def command(name: str, summary: str) -> Callable[[Callable[[list[str]], int]], Command]:
    """Makes a command of a function that reads the words after the name itself."""
    return lambda run: Command(name, summary, run)


def tyro_command(name: str, summary: str) -> Callable[[Callable[..., int]], Command]:
    """Makes a command of a function whose arguments become options: tyro reads them off its signature and docstring."""

    def decorate(function: Callable[..., int]) -> Command:
        def run(args: list[str]) -> int:
            return tyro.cli(function, prog=f"jmeta {name}", args=args)

        return Command(name, summary, run)

    return decorate
