"""The host loop around an outer learner: compiled chunks, logs, checkpoints, devices."""

from jmeta.training.diagnosis import NonFiniteError
from jmeta.training.initial_theta import Pretrained
from jmeta.training.loop import TrainResult, train
from jmeta.training.memory import MemoryNeed, memory_estimate
from jmeta.training.restoring import restore
from jmeta.training.run_directory import Recipe, RunDirectory

__all__ = [
    "MemoryNeed",
    "NonFiniteError",
    "Pretrained",
    "Recipe",
    "RunDirectory",
    "TrainResult",
    "memory_estimate",
    "restore",
    "train",
]
