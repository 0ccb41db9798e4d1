"""Tuning: the settings of algorithms, chosen by successive halving on validation tasks.

    jmeta tune SPEC --out DIR

A specification of a comparison says in its table ``tuning`` which settings may vary, and how much may be spent. Every algorithm
with a search space is tuned in every task family that it runs in. Held-out tasks are never drawn: the winners are written as a
specification, and ``jmeta compare`` scores them.
"""

from jmeta.tuning.found import Found, Tried
from jmeta.tuning.halving import tune
from jmeta.tuning.plan import Rung, Search, Trial, Tuning
from jmeta.tuning.read import parse_tuning, read_tuning
from jmeta.tuning.report import summary, winners, write_tuning
from jmeta.tuning.space import Choices, Interval, read_space, sample

__all__ = [
    "Choices",
    "Found",
    "Interval",
    "Rung",
    "Search",
    "Trial",
    "Tried",
    "Tuning",
    "parse_tuning",
    "read_space",
    "read_tuning",
    "sample",
    "summary",
    "tune",
    "winners",
    "write_tuning",
]
