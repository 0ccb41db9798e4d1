"""``train``: one training with a run directory, logs, checkpoints and a progress bar."""

import contextlib
import dataclasses
import os
from functools import partial
from typing import Any

import jax
import numpy as np
from rich.console import Console

from jmeta.keys import as_key
from jmeta.outer.base import STATE_LAYOUT, OuterLearner
from jmeta.outer.premises import check_premises
from jmeta.parallel import task_mesh
from jmeta.training.arguments import check_learner, check_numbers, check_out
from jmeta.training.arrays import num_bytes
from jmeta.training.checkpoints import Checkpoints
from jmeta.training.engine import Engine
from jmeta.training.initial_theta import Pretrained, checked_theta, described_origin
from jmeta.training.loggers import require_wandb
from jmeta.training.notes import annealing_note, single_episode_note
from jmeta.training.opening import open_loggers, opened
from jmeta.training.placement import moved_to, shardings
from jmeta.training.programs import one_training
from jmeta.training.progress import ProgressReport
from jmeta.training.run_config import Recipe, run_config
from jmeta.training.run_directory import RunDirectory
from jmeta.training.saving import Saving
from jmeta.training.supervision import supervised
from jmeta.training.train_observer import TrainObserver
from jmeta.types import MetaState, PyTree

GIVEN = "given"  # value of "theta" in config.json if the run began with a given theta


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """Result of training.

    Attributes:
      state: the meta-state after the last step.
      theta: the deployed meta-parameters, ``outer.deploy(state)``.
      step: total number of outer steps taken.
      metrics: name to values [steps taken in this call], for plots.
      interrupted_by: the signal that ended training early, or None.
      compile_seconds: time spent tracing and compiling.
    """

    state: MetaState
    theta: PyTree
    step: int
    metrics: dict[str, np.ndarray]
    interrupted_by: str | None
    compile_seconds: float


def train(
    outer: OuterLearner,
    key: jax.Array | int,
    num_steps: int,
    *,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    num_devices: int | None = None,
    checkpoint_every: int = 100,
    keep: int = 3,
    wandb_project: str | None = None,
    continue_without_checkpoints: bool = False,
    progress: bool = True,
    theta: PyTree | Pretrained | None = None,
    recipe: Recipe | None = None,
    options: dict[str, Any] | None = None,
) -> TrainResult:
    """Meta-trains for ``num_steps`` outer steps.

    The whole outer step is one XLA program with the task axis spread over all local devices, and runs in chunks of about a
    second, so that logs are written while it runs. Step i draws from ``fold_in(key, i)``, so a resumed run
    continues bit for bit as if it had never stopped (on the same machine and number of devices).

    Args:
      outer: the outer learner to train.
      key: seeds the run, including the initial theta; a typed key, a raw key or a seed.
      num_steps: total number of outer steps, including those before a resume.
      out: run directory for metrics, checkpoints and configuration; nothing is written without one.
      resume: continue the run in ``out`` from its newest intact checkpoint. Of the learner, only ``anneal_steps`` may differ.
      num_devices: how many local devices to use; all by default.
      checkpoint_every: outer steps between checkpoints; one is also written at the end and on interruption.
      keep: how many checkpoints are kept.
      continue_without_checkpoints: if a checkpoint or metrics can't be written, for example because the disk is full, warn and
        continue instead of ending the run.
      wandb_project: also log to this Weights & Biases project.
      progress: show progress on standard error.
      theta: initial meta-parameters: ``load(DIR).pretrained``, those of another run, whose origin config.json then names; or any
        tree of them, such as ``restore(...)[1].theta``. The rest of the state is initialised as usual, the optimiser's too.
      recipe: how the command line built ``outer``, recorded so that it can build it again.
      options: the command line's options of this call, recorded for its ``resume``.

    Returns:
      The trained state. Ctrl-C or SIGTERM end training early with a checkpoint; ``interrupted_by`` then names the signal. A
      second signal stops training at once; if that fails, it ends the process after five seconds. A run that has already
      reached ``num_steps`` is returned as it is, and nothing is compiled.

    Raises:
      TypeError: if an argument is not an outer learner, a key or a number.
      ValueError: for settings that can't work, or a resume with another configuration, before anything is compiled.
      FileExistsError: if ``out`` is not empty and ``resume`` is not set. (A start that trained nothing does not count: its
        directory is removed if it failed, and replaced by the next start if it was killed.)
      NonFiniteError: if a metric, or the state that a checkpoint is to hold, becomes NaN or infinite.
      OSError: if ``out`` can't be written.
    """
    check_learner(outer)
    key = as_key(key)
    check_numbers(num_steps=num_steps, checkpoint_every=checkpoint_every, keep=keep)
    check_out(out, resume=resume, has_theta=theta is not None)
    if wandb_project is not None:
        require_wandb()
    mesh = task_mesh(num_devices)
    outer.check_devices(mesh.size)
    check_premises(outer)

    template = jax.eval_shape(outer.init, key)
    run = None if out is None else RunDirectory(out)
    config = run_config(outer, key, recipe, options)
    if theta is not None:
        pretrained = theta if isinstance(theta, Pretrained) else None
        if pretrained is not None:
            pretrained.check_units(config["learner"])
            theta = pretrained.theta
        theta = checked_theta(outer.inner, theta, template.theta)
        config |= {"theta": GIVEN, "theta_from": described_origin(theta, pretrained)}
    console = Console(stderr=True)
    with contextlib.ExitStack() as stack:
        say = partial(console.print, highlight=False, markup=False, soft_wrap=True)
        supervision = stack.enter_context(supervised(say))
        stack.enter_context(jax.set_mesh(mesh))
        if run is not None:
            stack.enter_context(opened(run, config, resume=resume, bytes_needed=(keep + 1) * num_bytes(template)))
        checkpoints = None if run is None else stack.enter_context(contextlib.closing(Checkpoints(run.checkpoints, keep)))
        restored = checkpoints.restore(template) if checkpoints is not None and resume else None
        first_step, state = restored or (0, None)
        if first_step > num_steps:
            raise ValueError(f"num_steps={num_steps}, but {run and run.path} is already at step {first_step}: ask for more")
        report = ProgressReport(first_step, num_steps, outer.num_env_steps, enabled=progress, console=console)
        if state is not None and first_step == num_steps:
            report.note(f"{run and run.path} is finished: it is at step {first_step} of {num_steps}")
            state = moved_to(shardings(mesh, STATE_LAYOUT), state)
            return TrainResult(state, outer.deploy(state), first_step, metrics={}, interrupted_by=None, compile_seconds=0.0)
        if resume and state is None and run is not None and run.read_config().get("theta") == GIVEN:
            raise ValueError(f"{run.path} began with a theta that was given, and has no checkpoint: start it again")
        if resume and run is not None:
            run.record_resume(options, config)
        loggers = open_loggers(run, first_step, wandb_project, config)
        for logger in loggers:
            stack.callback(logger.close)
        for note in (annealing_note(outer, num_steps), single_episode_note(outer, template.theta)):
            if note is not None:
                report.warn(f"warning: {note}")
        with report:
            if resume:
                report.note(f"continuing {run and run.path} from step {first_step}")
            where, go_on = None if run is None else str(run.path), continue_without_checkpoints
            observer = TrainObserver(outer, key, checkpoints, loggers, report, supervision, where, go_on, mesh.size)
            saving: Saving[MetaState] | None = None
            if checkpoints is not None:  # a given theta is saved at once, since it can't be computed again
                saving = Saving(checkpoints, checkpoint_every, at_start=theta is not None, writing=observer.writing)
            engine = Engine(one_training(outer, key, theta), mesh, supervision, observer, saving)
            ended = engine.run(state, first_step, num_steps)
            names = observer.history[0] if observer.history else {}
            result = TrainResult(
                state=ended.state,
                theta=outer.deploy(ended.state),
                step=ended.step,
                metrics={name: np.concatenate([part[name] for part in observer.history]) for name in names},
                interrupted_by=supervision.caught[0] if supervision.caught else None,
                compile_seconds=ended.compile_seconds,
            )
        if result.interrupted_by and run is not None:
            saved = f"saved in {run.path}" if result.step else "nothing was trained, so nothing was saved"
            report.note(f"stopped by {result.interrupted_by} at step {result.step}; {saved}")
        return result
