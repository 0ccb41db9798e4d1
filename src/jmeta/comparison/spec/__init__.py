"""A comparison as a TOML file, checked in full before anything is compiled."""

from jmeta.comparison.spec.baselines import BASELINES
from jmeta.comparison.spec.files import SPECS, find_spec, read_cell, read_spec
from jmeta.comparison.spec.parse import SpecCell, parse_cell, parse_spec

__all__ = ["BASELINES", "SPECS", "SpecCell", "find_spec", "parse_cell", "parse_spec", "read_cell", "read_spec"]
