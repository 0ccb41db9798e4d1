"""Learning curves of a cell: the mean returns of every outer step of every training."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

LEARNING_POINTS = 100  # of a learning curve
METRICS = ("return/before", "return/after")


@dataclasses.dataclass(frozen=True)
class LearningCurves:
    """Mean returns of an episode in meta-training: variants [V], seeds [S], outer steps [T].

    They are NaN from the step on at which a training failed, and at steps that were taken before curves were recorded.
    """

    return_before: np.ndarray  # [V, S, T], of the first episode of a lifetime
    return_after: np.ndarray  # [V, S, T], of the last episode
    env_steps: np.ndarray  # [T], environment steps of a training, up to and including the outer step


class LearningLog:
    """Learning curves on disk while a cell trains, appended after each chunk. A resumed cell continues them.

    Args:
      file: a file of float32 numbers [T, metrics, R].
      num_trainings: R.
      num_steps: outer steps up to which the file counts, those of the checkpoint. Later ones are removed, and missing ones NaN.
    """

    def __init__(self, file: Path, num_trainings: int, num_steps: int):
        self._file = file
        self._shape = (len(METRICS), num_trainings)
        known = self.read() if num_steps and file.is_file() else np.empty((0, *self._shape), np.float32)
        missing = np.full((max(num_steps - len(known), 0), *self._shape), np.nan, np.float32)
        file.write_bytes(np.concatenate([known[:num_steps], missing]).tobytes())

    def append(self, metrics: dict[str, np.ndarray]) -> None:
        """Appends the metrics [n, R] of n outer steps."""
        (num_steps, num_trainings) = next(iter(metrics.values())).shape
        unknown = np.full((num_steps, num_trainings), np.nan, np.float32)  # a learner of one's own may not report returns
        rows = np.stack([np.asarray(metrics.get(name, unknown), np.float32) for name in METRICS], axis=1)
        with self._file.open("ab") as file:
            file.write(rows.tobytes())

    def read(self) -> np.ndarray:
        """Returns what was written [T, metrics, R]; a row that was cut off does not count."""
        content = np.frombuffer(self._file.read_bytes(), np.uint8)
        row = 4 * self._shape[0] * self._shape[1]
        return content[: len(content) // row * row].view(np.float32).reshape(-1, *self._shape)

    def curves(self, num_variants: int, env_steps_per_step: int) -> LearningCurves:
        """Returns the curves of R = V x S trainings, seeds innermost."""
        rows = self.read()
        before, after = np.moveaxis(rows, 0, -1).reshape(len(METRICS), num_variants, self._shape[1] // num_variants, len(rows))
        return LearningCurves(before, after, env_steps_per_step * np.arange(1, len(rows) + 1))


def learning_curve(learning: LearningCurves, v: int) -> dict[str, Any] | None:
    """Returns the learning curve of a variant: the return of the last episode, its mean over seeds, and the seeds' extremes.

    The outer steps that were recorded are split into at most 100 parts of equal length. A point is the mean of a part, at the
    part's last step. Returns None if no step was recorded.
    """
    returns = learning.return_after[v].astype(float)  # [S, T]
    recorded = np.flatnonzero(np.isfinite(returns).all(0))
    if not len(recorded):
        return None
    parts = np.array_split(recorded, min(LEARNING_POINTS, len(recorded)))
    points = np.stack([returns[:, part].mean(1) for part in parts], axis=1)  # [S, points]
    return {
        "env_steps": [int(learning.env_steps[part[-1]]) for part in parts],
        "value": points.mean(0).tolist(),
        "low": points.min(0).tolist(),
        "high": points.max(0).tolist(),
    }
