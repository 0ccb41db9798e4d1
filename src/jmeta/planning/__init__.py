"""Plans of trainings on hardware that is not here, by compiling for it."""

from jmeta.planning.chips import CHIPS, Chip
from jmeta.planning.fitting import Fit, largest_that_fits
from jmeta.planning.plan import Plan, plan
from jmeta.planning.report import fit_report, report
from jmeta.planning.roofline import Estimate
from jmeta.planning.topology import Topology

__all__ = ["CHIPS", "Chip", "Estimate", "Fit", "Plan", "Topology", "fit_report", "largest_that_fits", "plan", "report"]
