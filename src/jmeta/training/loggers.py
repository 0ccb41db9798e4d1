"""Loggers of metrics."""

import abc
import contextlib
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


class Logger(abc.ABC):
    """Receives the metrics of each chunk of outer steps as soon as it has run."""

    @abc.abstractmethod
    def write(self, first_step: int, env_steps_per_step: int, metrics: dict[str, np.ndarray]) -> None:
        """Metrics [n] of the outer steps ``first_step + 1 ... first_step + n``.

        Raises:
          OSError: if they, or earlier ones, could not be written.
        """

    def close(self) -> None:
        """Flushes."""
        return None


class JsonLines(Logger):
    """One JSON object per outer step, appended to a file."""

    def __init__(self, path: Path):
        self._path = path
        self._file = path.open("a", encoding="utf-8")

    def write(self, first_step: int, env_steps_per_step: int, metrics: dict[str, np.ndarray]) -> None:
        count = len(next(iter(metrics.values())))
        rows = []
        for index in range(count):
            step = first_step + index + 1
            row: dict[str, float] = {"step": step, "env_steps": int(step * env_steps_per_step)}
            row |= {name: float(values[index]) for name, values in metrics.items()}
            rows.append(json.dumps(row) + "\n")
        try:
            self._file.write("".join(rows))  # flushes what does not fit into its buffer
            self._file.flush()
        except OSError as error:
            raise OSError(
                f"metrics up to outer step {step} could not be written to {self._path} ({error.strerror}): free some space"
            ) from error

    def close(self) -> None:
        with contextlib.suppress(OSError):  # write() reports it
            self._file.close()


class TensorBoard(Logger):
    """TensorBoard scalars, one point per chunk: the chunk's mean, at its last step."""

    def __init__(self, path: Path, purge_step: int):
        from tensorboardX import SummaryWriter

        # A thread writes, and flush() does not wait for it, so flush_secs is short. Each resume has its own file name, since two
        # within a second would share a file.
        suffix = f".from-step-{purge_step}"
        self._writer = SummaryWriter(str(path), purge_step=purge_step, flush_secs=1, filename_suffix=suffix)
        self._path, self._problem = path, ""
        # An error would end the thread, and later writes would wait for it for ever.
        events = self._writer.file_writer.event_writer._ev_writer
        for name in ("write_event", "flush", "close"):
            setattr(events, name, self._noting(getattr(events, name)))

    def _noting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*args: Any) -> Any:
            try:
                return function(*args)
            except OSError as error:
                self._problem = error.strerror or str(error)

        return noting

    def write(self, first_step: int, env_steps_per_step: int, metrics: dict[str, np.ndarray]) -> None:
        if self._problem:
            problem, self._problem = self._problem, ""
            raise OSError(f"curves could not be written to {self._path} ({problem})")
        for name, values in metrics.items():
            if np.isfinite(mean := float(values.mean())):  # tensorboardX warns of others, such as a return where no episode ended
                self._writer.add_scalar(name, mean, first_step + len(values))

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases(Logger):
    """Weights & Biases, one point per chunk; needs the ``wandb`` extra.

    Args:
      project: name of the W&B project.
      config: the run's configuration.
      run_id: id of the W&B run; a resume with the same id continues its curves.
    """

    def __init__(self, project: str, config: dict[str, Any], run_id: str | None = None):
        require_wandb()
        import wandb

        self._run = wandb.init(project=project, config=config, id=run_id, resume=None if run_id is None else "allow")

    def write(self, first_step: int, env_steps_per_step: int, metrics: dict[str, np.ndarray]) -> None:
        step = first_step + len(next(iter(metrics.values())))
        point = {name: float(values.mean()) for name, values in metrics.items()}
        self._run.log(point | {"env_steps": step * env_steps_per_step}, step=step)

    def close(self) -> None:
        self._run.finish()


def require_wandb() -> None:
    """Raises ModuleNotFoundError, with the remedy, where W&B is not installed."""
    if importlib.util.find_spec("wandb") is None:
        raise ModuleNotFoundError("W&B logging needs the extra: pip install 'jmeta[wandb]'")
