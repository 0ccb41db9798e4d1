"""``train``: one training with a run directory, logs, checkpoints and a progress bar."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import numpy as np
from rich.console import Console

from jmeta.keys import as_key
from jmeta.outer.base import STATE_LAYOUT, OuterLearner
from jmeta.outer.normalised import check_scale
from jmeta.parallel import task_mesh
from jmeta.training.checkpoints import Checkpoints, num_bytes
from jmeta.training.diagnosis import NonFiniteError, first_cause, first_non_finite
from jmeta.training.engine import MAX_STEPS, Chunk, Engine, Observer, Saving
from jmeta.training.loggers import JsonLines, Logger, TensorBoard, WeightsAndBiases, require_wandb
from jmeta.training.notes import annealing_note, single_episode_note
from jmeta.training.placement import moved_to, shardings
from jmeta.training.programs import checked_theta, one_training
from jmeta.training.progress import ProgressReport
from jmeta.training.provenance import differences
from jmeta.training.run_directory import Recipe, RunDirectory, run_config
from jmeta.training.supervision import Supervision, supervised
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
    theta: PyTree | None = None,
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
      theta: initial meta-parameters, such as ``restore(...)[1].theta``; the rest of the state is initialised as usual.
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
      NonFiniteError: if a metric becomes NaN or infinite.
      OSError: if ``out`` can't be written.
    """
    if not isinstance(outer, OuterLearner):
        raise TypeError(f"outer={outer!r:.100} is no outer learner: give one, such as jmeta.algorithms.rl2(tasks)")
    key = as_key(key)
    for name, value in (("num_steps", num_steps), ("checkpoint_every", checkpoint_every), ("keep", keep)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"{name}={value!r}: it must be a whole number")
        if value < 1:
            raise ValueError(f"{name}={value}: it must be at least 1")
    if out is not None and not isinstance(out, str | os.PathLike):
        raise TypeError(f"out={out!r}: give a directory, such as 'runs/mine'")
    if resume and out is None:
        raise ValueError("resume=True needs out=DIR, the run to continue")
    if resume and theta is not None:
        raise ValueError("theta initialises a new run, so resume=True does not take one: leave out theta or resume")
    if num_steps > MAX_STEPS:
        raise ValueError(f"num_steps={num_steps}: give at most {MAX_STEPS}, since steps are counted in 32 bits")
    if wandb_project is not None:
        require_wandb()
    if jax.config.jax_disable_jit:  # type: ignore[attr-defined]
        raise ValueError(
            "jax.disable_jit() is on, and training is one compiled program: turn it off; call outer.step to debug it"
        )
    if outer.tasks.split != "train":
        raise ValueError(
            f"outer is built on the {outer.tasks.split} tasks of {type(outer.tasks).__name__}, which are for evaluation: "
            "build it on tasks.train"
        )
    mesh = task_mesh(num_devices)
    outer.check_devices(mesh.size)
    check_scale(outer)

    template = jax.eval_shape(outer.init, key)
    run = None if out is None else RunDirectory(out)
    config = run_config(outer, key, recipe, options)
    if theta is not None:
        theta = checked_theta(outer, theta, template.theta)
        config["theta"] = GIVEN
    console = Console(stderr=True)
    with contextlib.ExitStack() as stack:
        say = partial(console.print, highlight=False, markup=False, soft_wrap=True)
        supervision = stack.enter_context(supervised(say))
        stack.enter_context(jax.set_mesh(mesh))
        if run is not None:
            stack.enter_context(_opened(run, config, resume=resume, bytes_needed=(keep + 1) * num_bytes(template)))
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
        loggers = _open_loggers(run, first_step, wandb_project, config)
        for logger in loggers:
            stack.callback(logger.close)
        for note in (annealing_note(outer, num_steps), single_episode_note(outer, template.theta)):
            if note is not None:
                report.warn(f"warning: {note}")
        with report:
            if resume:
                report.note(f"continuing {run and run.path} from step {first_step}")
            where, go_on = str(run and run.path), continue_without_checkpoints
            observer = _Observer(outer, key, checkpoints, loggers, report, supervision, where, go_on, mesh.size)
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


@dataclasses.dataclass
class _Observer(Observer[MetaState]):
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
    where: str
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
        raise NonFiniteError(failed + 1, metric, value, last_good, self.where, cause)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Turns an OSError into a warning, if that was asked for."""
        try:
            yield
        except OSError as error:
            if not self.go_on:
                raise
            self.progress.warn(f"{error}. Training goes on")


@contextlib.contextmanager
def _opened(run: RunDirectory, config: dict[str, Any], *, resume: bool, bytes_needed: int) -> Iterator[None]:
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


def _open_loggers(run: RunDirectory | None, first_step: int, wandb_project: str | None, config: dict[str, Any]) -> list[Logger]:
    loggers: list[Logger] = []
    if run is not None:
        run.forget_metrics_after(first_step)
        loggers += [JsonLines(run.metrics_file), TensorBoard(run.tensorboard, purge_step=first_step + 1)]
    if wandb_project is not None:
        loggers.append(WeightsAndBiases(wandb_project, config, None if run is None else run.wandb_id()))
    return loggers
