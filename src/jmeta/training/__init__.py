"""The host loop around an outer learner: compiled chunks, logs, checkpoints, devices."""

from jmeta.training.loop import NonFiniteError, TrainResult, restore, train
from jmeta.training.memory import MemoryNeed, memory_estimate
from jmeta.training.run_directory import Recipe, RunDirectory

__all__ = ["MemoryNeed", "NonFiniteError", "Recipe", "RunDirectory", "TrainResult", "memory_estimate", "restore", "train"]
