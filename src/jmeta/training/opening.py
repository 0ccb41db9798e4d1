"""Opens the run directory of a training, new or to be continued, and its logs."""

import contextlib
from collections.abc import Iterator
from typing import Any

from jmeta.training.loggers import JsonLines, Logger, TensorBoard, WeightsAndBiases
from jmeta.training.provenance import differences
from jmeta.training.run_directory import RunDirectory


@contextlib.contextmanager
def opened(run: RunDirectory, config: dict[str, Any], *, resume: bool, bytes_needed: int) -> Iterator[None]:
    """Opens a new run directory, or that of the run to continue, and keeps other processes from training in it."""
    if not resume:
        with run.new(config, bytes_needed=bytes_needed):
            yield
        return
    old = run.read_config()
    decisive = {"learner", "key", "key_implementation"} & old.keys()  # jmeta 0.1 recorded no implementation
    changed = [
        line
        for line in differences({k: old[k] for k in decisive}, {k: config[k] for k in decisive})
        if not line.startswith("learner.anneal_steps: ")  # the schedule may change on a resume
    ]
    if changed:
        raise ValueError(
            f"{run.path} was run with another configuration, so it can't be continued with this one:\n  "
            + "\n  ".join(changed)
            + "\nuse the old settings, or start a new run in another directory"
        )
    run.check_space(bytes_needed)
    with run.lock():
        yield


def open_loggers(run: RunDirectory | None, first_step: int, wandb_project: str | None, config: dict[str, Any]) -> list[Logger]:
    """Returns the loggers of a run that goes on after ``first_step``; later lines of its metrics are dropped."""
    loggers: list[Logger] = []
    if run is not None:
        run.forget_metrics_after(first_step)
        loggers += [JsonLines(run.metrics_file), TensorBoard(run.tensorboard, purge_step=first_step + 1)]
    if wandb_project is not None:
        loggers.append(WeightsAndBiases(wandb_project, config, None if run is None else run.wandb_id()))
    return loggers
