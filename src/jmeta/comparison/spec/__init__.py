"""A comparison as a TOML file, checked in full before anything is compiled."""

from jmeta.comparison.spec.baselines import BASELINES
from jmeta.comparison.spec.files import SPECS, find_spec, read_spec
from jmeta.comparison.spec.parse import parse_spec

__all__ = ["BASELINES", "SPECS", "find_spec", "parse_spec", "read_spec"]
