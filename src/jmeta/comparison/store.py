"""Results of cells, on disk and in memory."""

import contextlib
import dataclasses
import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from jmeta.comparison.cell import Cell
from jmeta.comparison.learning import LearningCurves
from jmeta.comparison.plan import Comparison
from jmeta.training.checkpoints import Checkpoints
from jmeta.training.files import replace_file
from jmeta.training.formats import FORMAT, upgrade_learner
from jmeta.training.provenance import differences

NOT_RUN = "not run yet"

Arrays = TypeVar("Arrays", "Returns", LearningCurves)


@dataclasses.dataclass(frozen=True)
class Returns:
    """Raw returns of a cell: variants [V], seeds [S], test tasks [N], episodes [E], segments [K]; NaN where training failed.

    A hand-written learner has one seed. ``trajectory_returns``, as in ``Evaluation``, are None in cells of earlier versions.
    """

    lifetime_returns: np.ndarray  # [V, S, N]
    episode_returns: np.ndarray  # [V, S, N, E]
    segment_returns: np.ndarray  # [V, S, N, K]
    episode_env_steps: np.ndarray  # [V, S, E]
    trajectory_returns: np.ndarray | None = None  # [V, S, N, K]


@dataclasses.dataclass(frozen=True)
class CellResult:
    """Result of a cell.

    Attributes:
      cell: the cell.
      returns: raw returns; None if the whole cell failed or has not been run.
      info: content of ``result.json``: failures of each variant, steps, seconds, versions.
      error: the error that ended the whole cell, or that it has not been run, or None.
      learning: learning curves; None if nothing was trained, or before jmeta recorded them.
    """

    cell: Cell
    returns: Returns | None
    info: dict[str, Any]
    error: str | None = None
    learning: LearningCurves | None = None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """All cells of a comparison, and the signal that ended it early, or None."""

    comparison: Comparison
    results: tuple[CellResult, ...]
    interrupted_by: str | None = None

    @property
    def failed(self) -> tuple[CellResult, ...]:
        """Returns the cells that an error ended, without those that have not been run."""
        return tuple(result for result in self.results if result.error not in (None, NOT_RUN))


@dataclasses.dataclass(frozen=True)
class Store:
    """The files of a cell."""

    path: Path

    @property
    def finished(self) -> bool:
        return (self.path / "result.json").is_file()

    @property
    def learning_log(self) -> Path:
        """Learning curves of a cell that is not finished."""
        return self.path / "learning.partial"

    def check(self, settings: dict[str, Any]) -> None:
        """Raises ValueError if the cell was begun with other settings."""
        file = self.path / "settings.json"
        if not file.is_file():
            return
        try:
            old = json.loads(file.read_text())
        except ValueError as error:
            raise ValueError(f"{file} is damaged ({error}): delete {self.path} to run that cell again") from error
        if isinstance(old, dict) and old.pop("format", 1) < FORMAT and "learners" in old:
            old["learners"] = upgrade_learner(old["learners"])
        changed = differences(old, settings)
        if changed:
            raise ValueError(
                f"{self.path} was made with other settings:\n  "
                + "\n  ".join(changed)
                + "\nuse the old settings or another results directory, or delete that directory to run the cell again"
            )

    def begin(self, settings: dict[str, Any]) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        replace_file(self.path / "settings.json", json.dumps({"format": FORMAT} | settings, indent=2).encode())

    def checkpoints(self) -> contextlib.closing[Checkpoints]:
        return contextlib.closing(Checkpoints(self.path / "checkpoints", keep=1))

    def finish(self, returns: Returns, info: dict[str, Any], learning: LearningCurves | None) -> None:
        if learning is not None:
            _write_arrays(self.path / "learning.npz", learning)
        _write_arrays(self.path / "returns.npz", returns)
        replace_file(self.path / "result.json", (json.dumps(info, indent=2) + "\n").encode())
        shutil.rmtree(self.path / "checkpoints", ignore_errors=True)
        self.learning_log.unlink(missing_ok=True)

    def load(self, cell: Cell, error: str | None) -> CellResult:
        """Returns the stored result, without returns and info if the cell is not finished."""
        if not self.finished:
            return CellResult(cell, None, {}, error)
        learning = self.path / "learning.npz"
        try:
            return CellResult(
                cell,
                _read_arrays(self.path / "returns.npz", Returns),
                json.loads((self.path / "result.json").read_text()),
                error,
                _read_arrays(learning, LearningCurves) if learning.is_file() else None,
            )
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as damage:
            raise ValueError(f"{self.path} is damaged ({damage}): delete it to run that cell again") from damage


def _write_arrays(file: Path, arrays: Returns | LearningCurves) -> None:
    content = io.BytesIO()
    np.savez_compressed(content, **{name: array for name, array in dataclasses.asdict(arrays).items() if array is not None})
    replace_file(file, content.getvalue())


def _read_arrays(file: Path, kind: type[Arrays]) -> Arrays:
    with np.load(io.BytesIO(file.read_bytes())) as arrays:
        names = [field.name for field in dataclasses.fields(kind) if field.name in arrays or field.default is dataclasses.MISSING]
        return kind(**{name: arrays[name] for name in names})
