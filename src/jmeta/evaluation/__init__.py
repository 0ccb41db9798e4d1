"""Evaluation: adaptation on held-out tasks, and plots."""

from jmeta.evaluation.evaluate import Evaluation, evaluate, standard_error

__all__ = ["Evaluation", "evaluate", "standard_error"]
