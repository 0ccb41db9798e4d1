"""Named algorithms: documented compositions of an inner and an outer learner, one per file.

``ALGORITHMS`` is what the command line offers; each is a function of a task distribution and keyword arguments.
"""

from collections.abc import Callable

from jmeta.algorithms.average import average
from jmeta.algorithms.maml import maml
from jmeta.algorithms.oracle import oracle
from jmeta.algorithms.rl2 import rl2
from jmeta.outer.base import OuterLearner

ALGORITHMS: dict[str, Callable[..., OuterLearner]] = {"average": average, "maml": maml, "oracle": oracle, "rl2": rl2}

__all__ = ["ALGORITHMS", "average", "maml", "oracle", "rl2"]
