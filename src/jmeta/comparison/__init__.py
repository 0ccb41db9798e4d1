"""Comparisons of algorithms on task families, from several seeds, on an equal budget and the same test tasks."""

from jmeta.comparison.budget import Budget
from jmeta.comparison.cell import Cell, HandWritten
from jmeta.comparison.plan import Comparison
from jmeta.comparison.report import write_report
from jmeta.comparison.run import compare
from jmeta.comparison.spec import BASELINES, SPECS, SpecCell, find_spec, parse_cell, parse_spec, read_cell, read_spec
from jmeta.comparison.store import CellResult, Outcome, Returns
from jmeta.comparison.summary import summarise
from jmeta.comparison.table import markdown
from jmeta.comparison.variants import Variants

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
    "SpecCell",
    "Variants",
    "compare",
    "find_spec",
    "markdown",
    "parse_cell",
    "parse_spec",
    "read_cell",
    "read_spec",
    "summarise",
    "write_report",
]
