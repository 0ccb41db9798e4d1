"""Comparisons of algorithms on task families, from several seeds, on an equal budget and the same test tasks."""

from jmeta.comparison.plan import Budget, Cell, Comparison, HandWritten, Variants
from jmeta.comparison.report import markdown, write_report
from jmeta.comparison.run import compare
from jmeta.comparison.spec import BASELINES, SPECS, find_spec, parse_spec, read_spec
from jmeta.comparison.store import CellResult, Outcome, Returns
from jmeta.comparison.summary import summarise

__all__ = [
    "BASELINES",
    "SPECS",
    "Budget",
    "Cell",
    "CellResult",
    "Comparison",
    "HandWritten",
    "Outcome",
    "Returns",
    "Variants",
    "compare",
    "find_spec",
    "markdown",
    "parse_spec",
    "read_spec",
    "summarise",
    "write_report",
]
