"""Options of a training run, and what a run directory records of them."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import tyro

from jmeta.registry import fields_of, strict_misfit
from jmeta.training import RunDirectory

OF_ONE_CALL = ("out", "resume", "from_run", "from_step", "progress")  # options that a resume does not inherit


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """Settings of a training run."""

    out: Path
    """run directory; must not exist yet, unless --resume"""
    seed: int = 0
    """seed of all random numbers of the run"""
    num_steps: int = 500
    """total number of outer steps"""
    resume: bool = False
    """continue the run in --out from its newest intact checkpoint"""
    from_run: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """directory of a run whose meta-parameters are fine-tuned: the training begins with them, and with all else new"""
    from_step: int | None = None
    """outer step of the checkpoint in --from; the newest intact one by default"""
    num_devices: int | None = None
    """number of local devices to spread the tasks over; all by default"""
    checkpoint_every: int = 100
    """outer steps between checkpoints"""
    keep: int = 3
    """number of checkpoints to keep, the newest ones"""
    continue_without_checkpoints: bool = False
    """warn and continue training if a checkpoint or metrics can't be written"""
    wandb_project: str | None = None
    """also log to this Weights & Biases project (needs the wandb extra)"""
    progress: bool = True
    """show progress on standard error, with the mean return of the first and of the last episode of a lifetime"""


def options_to_record(options: TrainOptions) -> dict[str, Any]:
    """Returns the options that config.json keeps for the next resume."""
    return {name: value for name, value in fields_of(options).items() if name not in OF_ONE_CALL}


def recorded_options(run: RunDirectory) -> TrainOptions:
    """Returns the options to continue a run with, those of the command that trained it last.

    Raises:
      ValueError: if config.json is damaged.
    """
    options = run.read_config()["options"] or {}
    types = {name: kind for name, kind in get_type_hints(TrainOptions).items() if name not in OF_ONE_CALL}
    if wrong := strict_misfit(options, types, set(), "options"):
        raise run.damaged_config(wrong)
    return TrainOptions(out=run.path, resume=True, **options)
