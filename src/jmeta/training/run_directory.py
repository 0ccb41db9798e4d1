"""A run directory holds everything that a training run writes, enough to explain and continue it.

::

    DIR/config.json      what was run: recipe, full configuration, seed, versions, git commit
    DIR/metrics.jsonl    one line per outer step
    DIR/tensorboard/     the same, for TensorBoard
    DIR/checkpoints/     whole meta-states, the newest few
    DIR/metrics.damaged.jsonl  lines of it that could not be read when the run was continued, if there were any
    DIR/damaged/         checkpoints that could not be read when the run was continued, if there were any
    DIR/evaluations/     by ``jmeta evaluate``, named by split, step, seed, number of tasks and protocol: a summary as JSON, and
                         tasks and returns as npz; those in other task families are in its folder transfer/
    DIR/.lock            held while a process trains here
"""

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from jmeta.training.evaluations import newest_evaluation
from jmeta.training.files import in_bytes, replace_file, temporary_file
from jmeta.training.metric_lines import MetricLines, all_finite, starts_finite
from jmeta.training.provenance import versions
from jmeta.training.run_config import Recipe as Recipe
from jmeta.training.run_config import damaged_config, read_config


class RunDirectory:
    """Paths, configuration and metrics of one run on disk.

    Args:
      path: the directory.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path).expanduser().resolve()
        self.config_file = self.path / "config.json"
        self.metrics_file = self.path / "metrics.jsonl"
        self.tensorboard = self.path / "tensorboard"
        self.checkpoints = self.path / "checkpoints"
        self.damaged = self.path / "damaged"
        self.damaged_metrics = self.path / "metrics.damaged.jsonl"
        self._lock_file = self.path / ".lock"

    @contextlib.contextmanager
    def new(self, config: dict[str, Any], *, bytes_needed: int) -> Iterator[None]:
        """Makes the directory and keeps other processes from training here. An error before anything was trained removes it.

        Raises:
          FileExistsError: if there is something there already; it is left alone.
          ValueError: if another process is about to train here.
          OSError: if permission or space is missing.
        """
        self._check_free()
        made = [path for path in (self.path, *self.path.parents) if not path.exists()]
        try:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                probe = self.path / ".probe"
                probe.write_bytes(b"0" * 4096)
                probe.unlink()
            except OSError as error:
                raise OSError(f"can't write to {self.path}: {error.strerror or error}; choose another directory") from error
            with self.lock():
                self._check_free()
                self._clear()
                try:
                    self.check_space(bytes_needed)
                    self.write_config(config)
                    yield
                except BaseException:
                    if not self.has_trained:
                        self._clear()
                        self._lock_file.unlink(missing_ok=True)
                    raise
        except BaseException:
            for path in made:
                with contextlib.suppress(OSError):  # not empty, so it is in use
                    path.rmdir()
            raise

    @property
    def has_trained(self) -> bool:
        """Returns whether the directory holds a checkpoint, or metrics of a run whose first outer step was finite."""
        return self.has_checkpoints or starts_finite(self.metrics_file)

    @property
    def has_checkpoints(self) -> bool:
        """Returns whether there are checkpoints, intact or damaged."""
        return any(path.is_dir() and any(path.iterdir()) for path in (self.checkpoints, self.damaged))

    @property
    def _leavings(self) -> list[Path]:
        """Returns the files that a start leaves before it has trained."""
        return [self.config_file, temporary_file(self.config_file), self.metrics_file, self.tensorboard, self.checkpoints]

    def _check_free(self) -> None:
        """Raises FileExistsError if the directory holds anything but the files of a start that trained nothing."""
        if not self.path.exists():
            return
        found = set(self.path.iterdir()) if self.path.is_dir() else {self.path}
        if found <= {*self._leavings, self._lock_file} and not self.has_trained:
            return
        remedy = "choose another directory, or continue that run with `jmeta resume`"
        if not self.has_checkpoints and not all_finite(self.metrics_file):
            remedy = (
                "its run became NaN or infinite before its first checkpoint, and `jmeta resume` would repeat that; "
                "choose another directory, or remove this one"
            )
        raise FileExistsError(f"{self.path} exists and is never overwritten: {remedy}")

    def _clear(self) -> None:
        """Removes the files of a start that trained nothing."""
        for path in self._leavings:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps a second process from training here. The lock is released if the process dies.

        Raises:
          ValueError: if another process is training here.
        """
        try:
            with filelock.FileLock(self._lock_file, timeout=0):
                yield
        except filelock.Timeout:
            raise ValueError(f"another process is training in {self.path}: wait for it, or choose another directory") from None

    def check_space(self, bytes_needed: int) -> None:
        """Raises OSError if fewer than ``bytes_needed`` bytes are free."""
        free = shutil.disk_usage(self.path).free
        if free < bytes_needed:
            raise OSError(
                f"checkpoints of this run need {in_bytes(bytes_needed)} but {self.path} has {in_bytes(free)} free: "
                "free some space, keep fewer checkpoints or choose another directory"
            )

    def write_config(self, config: dict[str, Any]) -> None:
        """Replaces config.json atomically, so that it is never half-written."""
        replace_file(self.config_file, (json.dumps(config, indent=2, default=np.generic.item) + "\n").encode())

    def read_config(self) -> dict[str, Any]:
        """Returns the configuration.

        Raises:
          FileNotFoundError: if this is no run directory.
          ValueError: if it is damaged, or of a newer jmeta.
        """
        return read_config(self.config_file)

    def damaged_config(self, reason: str) -> ValueError:
        """Returns the error to raise for an invalid config.json."""
        return damaged_config(self.config_file, reason)

    def record_resume(self, options: dict[str, Any] | None, config: dict[str, Any]) -> None:
        """Records the versions and settings of a resume, and the command line's options for the next ``jmeta resume``."""
        old = self.read_config()
        resumed_with = [*old.get("resumed_with", []), versions()]
        now = {"learner": config["learner"], "recipe": config["recipe"] or old["recipe"]}
        self.write_config(old | now | {"options": options or old["options"], "resumed_with": resumed_with})

    def wandb_id(self) -> str:
        """Returns the id of this run in Weights & Biases, which a resume does not change."""
        config = self.read_config()
        if "wandb_id" not in config:
            config["wandb_id"] = secrets.token_hex(4)
            self.write_config(config)
        return str(config["wandb_id"])

    def read_metrics(self) -> list[dict[str, Any]]:
        """Returns the complete lines of metrics.jsonl by step, each step once; a last line cut short by a kill is left out.

        A RuntimeWarning each reports damaged lines, repeated steps (the later line counts) and missing steps. Nothing is changed
        on disk.
        """
        lines = MetricLines.read(self.metrics_file)
        return [lines.whole[step][1] for step in sorted(lines.whole)]

    def newest_evaluation(self) -> dict[str, Any] | None:
        """Returns the newest result of ``jmeta evaluate`` on the run's own tasks that can be read; None if there is none."""
        return newest_evaluation(self.path / "evaluations")

    def forget_metrics_after(self, step: int) -> None:
        """Drops the lines of the steps after ``step``, and moves damaged lines to metrics.damaged.jsonl."""
        lines = MetricLines.read(self.metrics_file)
        if lines.damaged:
            with self.damaged_metrics.open("ab") as file:
                file.writelines(line + b"\n" for line in lines.damaged)
        kept = [lines.whole[number][0] + b"\n" for number in sorted(lines.whole) if number <= step]
        replace_file(self.metrics_file, b"".join(kept))
