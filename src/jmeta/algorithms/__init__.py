"""Named algorithms: documented compositions of an inner and an outer learner, one per file.

``ALGORITHMS`` is what the command line offers; each is a function of a task distribution and keyword arguments.
"""

from collections.abc import Callable

from jmeta.algorithms.maml import maml
from jmeta.algorithms.rl2 import rl2
from jmeta.outer.base import OuterLearner

ALGORITHMS: dict[str, Callable[..., OuterLearner]] = {"maml": maml, "rl2": rl2}

__all__ = ["ALGORITHMS", "maml", "rl2"]
