"""The host loop around an outer learner: compiled chunks, logs, checkpoints, devices."""

from jmeta.training.loop import NonFiniteError, TrainResult, restore, train
from jmeta.training.run_directory import Recipe, RunDirectory

__all__ = ["NonFiniteError", "Recipe", "RunDirectory", "TrainResult", "restore", "train"]
