"""Results of cells, on disk and in memory."""

import contextlib
import dataclasses
import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from jmeta.comparison.plan import Cell, Comparison
from jmeta.training.checkpoints import Checkpoints
from jmeta.training.formats import FORMAT, upgrade_learner
from jmeta.training.provenance import differences

NOT_RUN = "not run yet"


@dataclasses.dataclass(frozen=True)
class Returns:
    """Raw returns of a cell: variants [V], seeds [S], test tasks [N], episodes [E], segments [K]; NaN where training failed.

    A hand-written learner has one seed.
    """

    lifetime_returns: np.ndarray  # [V, S, N]
    episode_returns: np.ndarray  # [V, S, N, E]
    segment_returns: np.ndarray  # [V, S, N, K]
    episode_env_steps: np.ndarray  # [V, S, E]


@dataclasses.dataclass(frozen=True)
class CellResult:
    """Result of a cell.

    Attributes:
      cell: the cell.
      returns: raw returns; None if the whole cell failed or has not been run.
      info: content of ``result.json``: failures of each variant, steps, seconds, versions.
      error: the error that ended the whole cell, or that it has not been run, or None.
    """

    cell: Cell
    returns: Returns | None
    info: dict[str, Any]
    error: str | None = None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """All cells of a comparison, and the signal that ended it early, or None."""

    comparison: Comparison
    results: tuple[CellResult, ...]
    interrupted_by: str | None = None


@dataclasses.dataclass(frozen=True)
class Store:
    """The files of a cell."""

    path: Path

    @property
    def finished(self) -> bool:
        return (self.path / "result.json").is_file()

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

    def finish(self, returns: Returns, info: dict[str, Any]) -> None:
        content = io.BytesIO()
        np.savez_compressed(content, **dataclasses.asdict(returns))
        replace_file(self.path / "returns.npz", content.getvalue())
        replace_file(self.path / "result.json", (json.dumps(info, indent=2) + "\n").encode())
        shutil.rmtree(self.path / "checkpoints", ignore_errors=True)

    def load(self) -> tuple[Returns | None, dict[str, Any]]:
        """Returns the stored result, or (None, {}) if the cell is not finished."""
        if not self.finished:
            return None, {}
        try:
            with np.load(io.BytesIO((self.path / "returns.npz").read_bytes())) as arrays:
                returns = Returns(**{field.name: arrays[field.name] for field in dataclasses.fields(Returns)})
            return returns, json.loads((self.path / "result.json").read_text())
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ValueError(f"{self.path} is damaged ({error}): delete it to run that cell again") from error


def replace_file(file: Path, content: bytes) -> None:
    """Replaces a file atomically, so that it is never half-written."""
    temporary = file.with_name(file.name + ".tmp")
    temporary.write_bytes(content)
    temporary.replace(file)
