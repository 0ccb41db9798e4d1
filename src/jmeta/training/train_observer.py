"""The observer of ``train``: logs metrics, stops at the first that is not finite, and shows progress."""

import contextlib
import dataclasses
from collections.abc import Iterator

import jax
import numpy as np

from jmeta.outer.base import OuterLearner
from jmeta.training.checkpoints import Checkpoints
from jmeta.training.diagnosis import NonFiniteError, first_cause, first_non_finite
from jmeta.training.loggers import Logger
from jmeta.training.observing import Chunk, Observer
from jmeta.training.progress import ProgressReport
from jmeta.training.supervision import Supervision
from jmeta.types import MetaState, PyTree


@dataclasses.dataclass
class TrainObserver(Observer[MetaState]):
    """Logs metrics, stops at the first that is not finite, and shows progress.

    Attributes:
      go_on: whether training goes on if a file can't be written.
      history: metrics of each chunk.
    """

    outer: OuterLearner
    key: jax.Array
    checkpoints: Checkpoints | None
    loggers: list[Logger]
    progress: ProgressReport
    supervision: Supervision
    where: str | None
    go_on: bool
    num_devices: int
    history: list[dict[str, np.ndarray]] = dataclasses.field(default_factory=list)
    theta: PyTree = None  # from before the chunk, to look for the cause of a failure

    def compiled(self, seconds: float) -> None:
        self.progress.note(f"compiled in {seconds:.1f} s for {self.num_devices} device(s)")

    def before(self, state: MetaState) -> None:
        self.theta = jax.device_get(state.theta)

    def after(self, chunk: Chunk, state: MetaState) -> bool:
        for logger in self.loggers:
            with self.writing():
                logger.write(chunk.first_step, self.outer.num_env_steps, chunk.metrics)
        self.history.append(chunk.metrics)
        found = first_non_finite(chunk.metrics)
        if found is not None:
            self._fail(chunk, *found)
        return True

    def report(self, chunk: Chunk) -> None:
        self.progress.update(chunk.step, chunk.took, chunk.metrics)

    def _fail(self, chunk: Chunk, index: int, metric: str) -> None:
        last_good = None
        if self.checkpoints is not None:
            with contextlib.suppress(OSError):  # the metric is reported instead
                self.checkpoints.wait()
            last_good = self.checkpoints.last_step
        failed, value = chunk.first_step + index, float(chunk.metrics[metric][index])
        self.supervision.doing("looking for the cause")
        cause = None
        if self.outer.inner is not None:
            cause = first_cause(self.outer, self.theta, jax.random.fold_in(self.key, failed))
        raise NonFiniteError(failed + 1, metric, value, last_good, self.where, cause, trained=failed > 0)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Turns an OSError into a warning, if that was asked for."""
        try:
            yield
        except OSError as error:
            if not self.go_on:
                raise
            self.progress.warn(f"{error}. Training goes on")
