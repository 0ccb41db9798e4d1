"""Evaluation: adaptation on held-out tasks, and plots."""

from jmeta.evaluation.evaluate import evaluate
from jmeta.evaluation.result import Evaluation, standard_error

__all__ = ["Evaluation", "evaluate", "standard_error"]
