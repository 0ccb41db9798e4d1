"""Arguments that several commands have, and what they stand for."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro
from tyro.conf import Positional

from jmeta.evaluation.evaluate import EVALUATION_FOLD
from jmeta.keys import as_key
from jmeta.tasks import Split

HELP = ("-h", "--help")

RunArgument = Positional[
    Annotated[Path, tyro.conf.arg(help="the run directory, or an agent of the zoo, such as zoo:rl2/grid-navi.")]
]
SplitOption = Annotated[Split, tyro.conf.arg(help="split to draw the tasks from; ood is out of distribution.")]
TrustOption = Annotated[
    bool,
    tyro.conf.arg(
        help="import a task or an algorithm of your own that the run names; needed if it was not trained on this machine."
    ),
]


def given(**options: Any) -> dict[str, Any]:
    """Returns the options that were given, which are those that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def evaluation_key(seed: int) -> jax.Array:
    """Returns the key that ``--seed`` stands for, from which no outer step of training draws."""
    return jax.random.fold_in(as_key(seed), EVALUATION_FOLD)


def begins_with_name(args: list[str], noun: str, usage: str, **lists: Iterable[str]) -> bool:
    """Returns whether the first word is a name; if it asks for help, prints the usage and the lists of names.

    Args:
      args: words of the command line.
      noun: what is named first, such as "algorithm".
      usage: how the command is called.
      lists: the names to list, by what they are; first those of what is named first.

    Raises:
      ValueError: if there is no name.
    """
    if args and not args[0].startswith("-"):
        return True
    if not args or args[0] not in HELP:
        raise ValueError(f"which {noun}? {usage}. There are: {', '.join(sorted(next(iter(lists.values()))))}")
    print("\n".join([usage, "", *(f"{kind}: {', '.join(names)}" for kind, names in lists.items())]))
    return False
