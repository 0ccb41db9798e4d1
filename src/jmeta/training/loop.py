"""The host loop: compiled chunks of outer steps, and around them logs, checkpoints, signals and a progress bar."""

import contextlib
import copy
import dataclasses
import os
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from rich.console import Console

from jmeta.inner.base import InContextLearner
from jmeta.keys import as_key
from jmeta.outer.base import STATE_LAYOUT, OuterLearner
from jmeta.outer.normalised import check_scale
from jmeta.parallel import SHARED, task_mesh
from jmeta.training.checkpoints import Checkpoints, num_bytes
from jmeta.training.diagnosis import first_cause
from jmeta.training.loggers import JsonLines, Logger, TensorBoard, WeightsAndBiases, require_wandb
from jmeta.training.memory import check_memory
from jmeta.training.placement import made_on, moved_to, shapes_on
from jmeta.training.progress import ProgressReport
from jmeta.training.provenance import describe, differences
from jmeta.training.run_directory import Recipe, RunDirectory, run_config
from jmeta.training.supervision import Supervision, supervised
from jmeta.types import MetaState, PyTree, Theta

SECONDS_PER_CHUNK = 1.0  # target duration of a chunk; metrics, signals and progress are handled after each
MAX_CHUNK = 256  # outer steps
MAX_STEPS = 2**31 - 2  # steps are counted in 32 bits
GIVEN = "given"  # value of "theta" in config.json if the run began with a given theta


class NonFiniteError(FloatingPointError):
    """A metric became NaN or infinite; training stopped there.

    Attributes:
      step: the outer step, counted from 1.
      metric: the first metric that was not finite.
      last_good_step: the newest checkpoint, or None.
      cause: the non-finite input of learning that was found (theta, an observation, a reward), or None.
    """

    def __init__(self, step: int, metric: str, value: float, last_good_step: int | None, where: str, cause: str | None = None):
        self.step, self.metric, self.last_good_step, self.cause = step, metric, last_good_step, cause
        good = (
            "no checkpoint was written"
            if last_good_step is None
            else f"the last good checkpoint is step {last_good_step} in {where}"
        )
        super().__init__(
            f"{metric} is {value} at outer step {step}; {good}. "
            + (cause[0].upper() + cause[1:] if cause else "Try a lower learning rate or a smaller gradient norm")
        )


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
    theta: Theta
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
    theta: Theta | None = None,
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
        theta = _checked_theta(outer, theta, template.theta)
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
            return _finished(outer, moved_to(_layout(mesh), state), first_step)
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
            loop = _Loop(
                outer,
                key,
                mesh,
                checkpoints,
                loggers,
                report,
                supervision,
                checkpoint_every,
                where=str(run and run.path),
                go_on=continue_without_checkpoints,
                theta=theta,
            )
            result = loop.run(state, first_step, num_steps)
        if result.interrupted_by and run is not None:
            saved = f"saved in {run.path}" if result.step else "nothing was trained, so nothing was saved"
            report.note(f"stopped by {result.interrupted_by} at step {result.step}; {saved}")
        return result


def beginning_with(outer: OuterLearner, theta: Theta, key: jax.Array) -> MetaState:
    """Returns a fresh meta-state with given theta: what ``outer.init`` makes if the inner learner's ``init`` returns it."""
    inner = copy.copy(outer.inner)
    object.__setattr__(inner, "init", lambda key: theta)
    return outer.replace(inner=inner).init(key)  # type: ignore[attr-defined]


def _checked_theta(outer: OuterLearner, theta: Theta, template: Theta) -> Theta:
    """Returns theta as JAX arrays; raises ValueError unless it has this learner's shapes and is finite."""
    if isinstance(theta, MetaState):
        raise TypeError("theta is a meta-state: give its .theta")
    name = f"theta belongs to another agent than this {type(outer.inner).__name__}"
    if str(jax.tree.structure(theta)) != str(jax.tree.structure(template)):
        raise ValueError(f"{name}: it has other parts")
    for (path, leaf), like in zip(jax.tree_util.tree_leaves_with_path(theta), jax.tree.leaves(template), strict=True):
        where = jax.tree_util.keystr(path, simple=True, separator=".")
        if np.shape(leaf) != like.shape or leaf.dtype != like.dtype:
            expected = f"{like.dtype}{list(like.shape)}"
            raise ValueError(f"{name}: {where} is {leaf.dtype}{list(np.shape(leaf))}, but {expected} in this agent")
        if jnp.issubdtype(leaf.dtype, jnp.inexact) and not np.isfinite(leaf).all():
            raise ValueError(f"theta can't be trained: {where} is not finite; give the theta of an earlier checkpoint")
    return jax.tree.map(jnp.asarray, theta)


def annealing_note(outer: OuterLearner, num_steps: int) -> str | None:
    """Returns a warning, with the remedy, if the learning rate is zero in the last outer steps, else None."""
    anneal_steps = getattr(outer, "anneal_steps", None)
    if anneal_steps is None or num_steps <= anneal_steps:
        return None
    return (
        f"from outer step {anneal_steps + 1} on nothing is learned, since the learning rate has fallen to 0 (anneal_steps="
        f"{anneal_steps}, num_steps={num_steps}): give anneal_steps={num_steps}; an existing run continues with jmeta resume DIR "
        f"--num-steps {num_steps} --anneal-steps {num_steps}, or resume=True and an outer learner with that setting"
    )


def single_episode_note(outer: OuterLearner, theta: Theta) -> str | None:
    """Returns a warning if a lifetime is a single episode, so that no later episode can use the memory, else None."""
    inner, protocol = outer.inner, outer.protocol
    if not isinstance(inner, InContextLearner) or not jax.tree.leaves(jax.eval_shape(inner.initial_memory, theta)):
        return None
    horizon = outer.tasks.horizon
    if horizon == 1 or protocol.num_segments * protocol.segment_length > horizon:
        return None
    return (
        f"a lifetime is a single episode of {horizon} steps, so {type(inner).__name__} can't use in a later episode what "
        f"it learned in an earlier one: for lifetimes of four episodes give lifetime_length={4 * horizon}"
    )


def _layout(mesh: Mesh) -> MetaState:
    """Returns the shardings of a meta-state."""
    return jax.tree.map(partial(NamedSharding, mesh), STATE_LAYOUT)


def _finished(outer: OuterLearner, state: MetaState, step: int) -> TrainResult:
    return TrainResult(state, outer.deploy(state), step, metrics={}, interrupted_by=None, compile_seconds=0.0)


@dataclasses.dataclass
class _Loop:
    outer: OuterLearner
    key: jax.Array
    mesh: Mesh
    checkpoints: Checkpoints | None
    loggers: list[Logger]
    report: ProgressReport
    supervision: Supervision
    checkpoint_every: int
    where: str
    go_on: bool  # if a file can't be written
    theta: Theta | None  # the initial one, if it is given

    def run(self, state: MetaState | None, step: int, num_steps: int) -> TrainResult:
        """Trains from a given state, or from a fresh one if that is None; memory is checked before anything is allocated."""
        layout, everywhere = _layout(self.mesh), NamedSharding(self.mesh, SHARED)
        key = moved_to(everywhere, self.key)
        self.supervision.doing("compiling")
        started = time.perf_counter()
        chunk = self._compile(shapes_on(layout, jax.eval_shape(self.outer.init, key)), key)
        check_memory(chunk, self.outer, list(self.mesh.devices.flat))
        self.supervision.doing("making theta")
        state = made_on(layout, self._begin, key) if state is None else moved_to(layout, state)  # ours to donate
        compile_seconds = time.perf_counter() - started
        self.report.note(f"compiled in {compile_seconds:.1f} s for {self.mesh.size} device(s)")
        if self.theta is not None:
            self._save(step, state)  # a given theta can't be computed again
        env_steps = self.outer.num_env_steps
        history: list[dict[str, np.ndarray]] = []
        count, last_saved, seconds = 1, step, 0.0
        while step < num_steps and not self.supervision.caught:
            next_save = (step // self.checkpoint_every + 1) * self.checkpoint_every
            count = min(count, MAX_CHUNK, next_save - step, num_steps - step)
            self.supervision.doing(f"outer step {step + count}", usual_seconds=seconds)
            started = time.perf_counter()
            theta = jax.device_get(state.theta)  # from before the chunk, to look for the cause of a failure
            state, buffer = chunk(state, key, jnp.int32(step), jnp.int32(count))
            metrics = {name: values[:count] for name, values in jax.device_get(buffer).items()}
            seconds = time.perf_counter() - started
            for logger in self.loggers:
                with self._writing():
                    logger.write(step, env_steps, metrics)
            history.append(metrics)
            self._check_finite(step, metrics, theta)
            step += count
            self.report.update(step, seconds, metrics)
            count = max(1, round(SECONDS_PER_CHUNK * count / seconds))
            if step == next_save:
                self._save(step, state)
                last_saved = step
        if self.checkpoints is not None:
            self.supervision.doing(f"writing the checkpoint of step {step}")
            if step != last_saved:
                self._save(step, state)
            with self._writing():
                self.checkpoints.wait()
        names = history[0] if history else {}
        return TrainResult(
            state=state,
            theta=self.outer.deploy(state),
            step=step,
            metrics={name: np.concatenate([part[name] for part in history]) for name in names},
            interrupted_by=self.supervision.caught[0] if self.supervision.caught else None,
            compile_seconds=compile_seconds,
        )

    def _begin(self, key: jax.Array) -> MetaState:
        return self.outer.init(key) if self.theta is None else beginning_with(self.outer, self.theta, key)

    def _compile(self, state: PyTree, key: jax.Array) -> Any:
        """Compiles ``chunk(state, key, first_step, count)``, which takes ``count`` steps; shapes of the state are enough."""
        step = jax.jit(self.outer.step)  # traced once, though it is named twice below
        _, metrics = jax.eval_shape(step, state, key)

        def chunk(state: MetaState, key: jax.Array, first_step: jax.Array, count: jax.Array) -> tuple[MetaState, Any]:
            def body(index: jax.Array, carry: tuple[MetaState, Any]) -> tuple[MetaState, Any]:
                state, buffer = carry
                state, metrics = step(state, jax.random.fold_in(key, first_step + index))
                return state, jax.tree.map(lambda values, value: values.at[index].set(value), buffer, metrics)

            buffer = jax.tree.map(lambda value: jnp.zeros((MAX_CHUNK, *value.shape), value.dtype), metrics)
            return jax.lax.fori_loop(0, count, body, (state, buffer))

        example = (state, key, jnp.int32(0), jnp.int32(1))
        layout = (_layout(self.mesh), NamedSharding(self.mesh, SHARED))
        return jax.jit(chunk, donate_argnums=0, out_shardings=layout).lower(*example).compile()

    def _check_finite(self, step: int, metrics: dict[str, np.ndarray], theta: Theta) -> None:
        bad = {name: int(np.argmin(np.isfinite(values))) for name, values in metrics.items() if not np.isfinite(values).all()}
        if not bad:
            return
        metric = min(bad, key=lambda name: bad[name])
        last_good = None
        if self.checkpoints is not None:
            with contextlib.suppress(OSError):  # the metric is reported instead
                self.checkpoints.wait()
            last_good = self.checkpoints.last_step
        failed, value = step + bad[metric], float(metrics[metric][bad[metric]])
        self.supervision.doing("looking for the cause")
        cause = None
        if self.outer.inner is not None:
            cause = first_cause(self.outer, theta, jax.random.fold_in(self.key, failed))
        raise NonFiniteError(failed + 1, metric, value, last_good, self.where, cause)

    def _save(self, step: int, state: MetaState) -> None:
        if self.checkpoints is not None:
            with self._writing():
                self.checkpoints.save(step, state)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turns an OSError into a warning, if that was asked for."""
        try:
            yield
        except OSError as error:
            if not self.go_on:
                raise
            self.report.warn(f"{error}. Training goes on")


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


def restore(outer: OuterLearner, out: str | os.PathLike[str], *, step: int | None = None) -> tuple[int, MetaState]:
    """Returns a checkpoint of a run as (outer step, meta-state). It changes nothing, so the run may still be under way.

    Args:
      outer: the learner of that run.
      out: its directory.
      step: outer step of the checkpoint; the newest intact one by default.

    Raises:
      FileNotFoundError: if there is no run or no checkpoint.
      ValueError: if the run trained another agent, or on tasks of another kind; if there is no checkpoint of that step.
      OSError: if all checkpoints, or the one asked for, are damaged.
    """
    run = RunDirectory(out)
    _check_agent_of(run, outer)
    template = jax.eval_shape(outer.init, jax.random.key(0))
    checkpoints = Checkpoints(run.checkpoints, keep=None)
    try:
        restored = checkpoints.restore(template) if step is None else checkpoints.restore_step(template, step)
    finally:
        checkpoints.close()
    if restored is None:
        raise FileNotFoundError(f"{run.path} has no checkpoint yet")
    return restored


def _check_agent_of(run: RunDirectory, outer: OuterLearner) -> None:
    """Raises ValueError if the run trained another kind of agent, or on another kind of tasks, though all shapes may agree."""

    def said(learner: dict[str, Any], needs_inner: bool) -> str:
        while isinstance(learner.get("learner"), dict):  # an outer learner that wraps another one
            learner = learner["learner"]
        inner, tasks = (learner.get(name) for name in ("inner", "tasks"))
        if not isinstance(tasks, dict) or (needs_inner and not isinstance(inner, dict)):
            raise ValueError(f"config.json of {run.path} is damaged: its learner has no inner learner or no tasks")
        inner = inner if isinstance(inner, dict) else {}
        action = inner.get("action_space")
        action = action if isinstance(action, dict) else {}
        space = f"{action.get('type')}({action.get('num_actions', action.get('size'))})"
        return f"{inner.get('type')} for {inner.get('observation_size')} observations and {space} actions on {tasks.get('type')}"

    needs_inner = dataclasses.is_dataclass(outer.inner)
    trained, asked = said(run.read_config()["learner"], needs_inner), said(describe(outer), needs_inner)
    if trained != asked:
        raise ValueError(f"{run.path} trained {trained}, but this learner is {asked}: build it with the settings of the run")
