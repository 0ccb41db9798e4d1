"""The algorithms of the bench by what adapts, in the order and the colours of tables and figures."""

from jmeta.comparison.figures import COLOURS, RANDOM_COLOUR

GROUPS = {
    "memory": ("rl2", "mann", "snail", "recurrent-hypernetwork", "hypernetwork"),
    "memory, evolved": ("rl2-es", "rl2-cma-es"),
    "task inference": ("varibad", "task-inference", "pearl", "mql"),
    "gradient steps": (
        *("maml", "fomaml", "anil", "cavia", "meta-sgd", "maml-plus-plus", "meta-lstm", "imaml"),
        *("maml-trpo", "promp", "e-maml", "reptile", "es-maml", "maml-dqn"),
    ),
    "no adaptation": ("average", "sac", "dqn", "td3"),
    "references": ("oracle", "random"),
}
"""Algorithms by group. ``oracle`` is told the task, and ``random`` acts at random."""

GROUP_COLOURS = dict(zip(GROUPS, (*COLOURS[:5], RANDOM_COLOUR), strict=True))
ORDER = tuple(name for names in GROUPS.values() for name in names)


def group_of(algorithm: str) -> str:
    """Returns the group of an algorithm."""
    return next(group for group, names in GROUPS.items() if algorithm in names)
