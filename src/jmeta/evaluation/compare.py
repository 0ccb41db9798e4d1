"""Comparisons: every algorithm in every task family, from several seeds, on an equal budget and the same test tasks.

A *cell* is one algorithm in one task family. Its trainings, one for each seed and each variant of a numeric setting, share one
compiled program: learners are pytrees whose numbers are leaves, so they ``vmap``. A cell that is finished is never computed
again. ::

    DIR/cells/TASK/ALGORITHM/settings.json   its settings, written when the cell begins
    DIR/cells/TASK/ALGORITHM/checkpoints/    removed when the cell is finished
    DIR/cells/TASK/ALGORITHM/returns.npz     raw returns of every variant, seed, task and episode
    DIR/cells/TASK/ALGORITHM/result.json     failures, timings, versions; written last, so its presence means finished
"""

import contextlib
import dataclasses
import io
import json
import math
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from jmeta import struct
from jmeta.evaluation.evaluate import EVALUATION_FOLD, evaluate
from jmeta.inner.base import InnerLearner
from jmeta.keys import as_key
from jmeta.outer.base import OuterLearner, check_fit, check_protocol
from jmeta.outer.normalised import check_scale
from jmeta.parallel import SHARED, TASK_AXIS, task_mesh
from jmeta.tasks.base import TaskDistribution
from jmeta.training.checkpoints import Checkpoints
from jmeta.training.loop import SECONDS_PER_CHUNK, annealing_note
from jmeta.training.memory import check_memory
from jmeta.training.placement import made_on, moved_to, shapes_on
from jmeta.training.run_directory import describe, device, differences, git_commit, versions
from jmeta.training.supervision import Supervision, supervised
from jmeta.types import MetaState, Protocol, Theta

FORMAT = 1
SECONDS_PER_CHECKPOINT = 60.0
SECONDS_PER_LINE = 20.0
MAX_STEPS = 2**31 - 2  # of a training with a wall-clock budget; steps are counted in 32 bits
LARGE = 100  # arrays with more numbers are recorded by a checksum
NOT_RUN = "not run yet"

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Budget:
    """Budget of every training of a comparison; exactly one of the two is given.

    Attributes:
      env_steps: environment steps of meta-training for each seed of each variant, rounded up to whole outer steps.
      wall_clock_seconds: seconds of training for a cell, all its seeds and variants together, without compilation.
    """

    env_steps: int | None = None
    wall_clock_seconds: float | None = None

    def __post_init__(self) -> None:
        given = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        if len(given) != 1:
            what = "both env_steps and wall_clock_seconds are" if given else "neither env_steps nor wall_clock_seconds is"
            raise ValueError(f"{what} given: give one of them, the budget of every training")
        ((name, value),) = given.items()
        if not value > 0:
            raise ValueError(f"{name}={value}: a budget must be positive")

    def num_steps(self, learner: OuterLearner) -> int:
        """Returns the maximum number of outer steps."""
        if self.env_steps is None:
            return MAX_STEPS
        return math.ceil(self.env_steps / learner.num_env_steps)


@struct.dataclass
class HandWritten:
    """A learner with nothing to train, such as those of ``jmeta.references``."""

    inner: InnerLearner
    tasks: TaskDistribution = struct.field(pytree_node=False)
    protocol: Protocol = struct.field(pytree_node=False)


@dataclasses.dataclass(frozen=True)
class Cell:
    """One algorithm in one task family.

    Attributes:
      task: name of the task family in this comparison.
      algorithm: name of the algorithm in this comparison.
      kind: registered name of the algorithm, such as "rl2"; scores are normalised by the cell whose kind is "random".
      variants: learners by label, which differ in numeric leaves only; the label of a single variant may be empty.
      evaluation: the experience of a lifetime in evaluation; None for the learner's own.
    """

    task: str
    algorithm: str
    kind: str
    variants: dict[str, OuterLearner | HandWritten]
    evaluation: Protocol | None = None

    def __post_init__(self) -> None:
        if not self.variants:
            raise ValueError(f"{self.name} has no variants: give at least one learner")
        _explain(self, lambda: check_fit(self.learner.inner, self.learner.tasks))
        check_protocol(self.learner.tasks, self.protocol)
        Variants.of(self.variants)

    @property
    def name(self) -> str:
        """Name for reports, "rl2 on bandit"."""
        return f"{self.algorithm} on {self.task}"

    @property
    def learner(self) -> OuterLearner | HandWritten:
        """The first variant, which stands for what all variants have in common."""
        return next(iter(self.variants.values()))

    @property
    def protocol(self) -> Protocol:
        """The experience of a lifetime in evaluation."""
        return self.evaluation or self.learner.protocol

    def test_tasks(self) -> tuple[TaskDistribution, str | None]:
        """Returns the held-out tasks and None, or the training tasks and the reason why none can be held out."""
        try:
            return self.learner.tasks.held_out, None
        except ValueError as error:
            return self.learner.tasks.train, str(error)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Definition of a comparison.

    Attributes:
      name: name of the comparison.
      cells: all algorithms in all task families.
      num_seeds: trainings of each variant, with keys ``jax.random.key(seed)``, ``key(seed + 1)``, ... as in `jmeta train --seed`.
      budget: budget of each training.
      num_test_tasks: tasks to score on, the same for every cell.
      seed: seed of the first training, and of the test tasks.
      reference: name of the algorithm whose mean score serves as the optimum in task families without a known one, or None.
    """

    name: str
    cells: tuple[Cell, ...]
    num_seeds: int
    budget: Budget
    num_test_tasks: int = 1000
    seed: int = 0
    reference: str | None = None

    def __post_init__(self) -> None:
        for field, value in (("seeds", self.num_seeds), ("num_test_tasks", self.num_test_tasks)):
            if value < 1:
                raise ValueError(f"{field}={value}: it must be at least 1")
        for seed in (self.seed, self.seed + self.num_seeds - 1):
            as_key(seed)
        if not self.cells:
            raise ValueError("there is nothing to compare: give at least one algorithm and one task")

    def settings(self, cell: Cell) -> dict[str, Any]:
        """Returns all that a cell's numbers depend on, except versions and devices, as JSON."""
        settings: dict[str, Any] = {
            "kind": cell.kind,
            "variants": list(cell.variants),
            "learners": {label: describe(_digested(learner)) for label, learner in cell.variants.items()},
            "protocol": cell.protocol._asdict(),
            "num_test_tasks": self.num_test_tasks,
            "seed": self.seed,
        }
        if isinstance(cell.learner, OuterLearner):
            settings |= {"num_seeds": self.num_seeds, "budget": dataclasses.asdict(self.budget)}
        return json.loads(json.dumps(settings))


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


def compare(
    comparison: Comparison, out: str | Path, *, num_devices: int | None = None, say: Say = lambda message: None
) -> Outcome:
    """Trains and evaluates every cell that ``out`` does not hold already.

    All seeds and variants of a cell train in one program; step i of seed s draws as in ``jmeta.train`` with the same seed. A
    training that becomes non-finite is frozen and reported, and the others continue; so do other cells if one fails. The final
    weights are evaluated with the same key in every cell, so on the same tasks and with common random numbers where possible.

    Args:
      comparison: the comparison to run.
      out: results directory; created if missing, continued if it exists.
      num_devices: how many local devices to use; all by default.
      say: called with lines of progress.

    Returns:
      Results of all cells, in order. Ctrl-C or SIGTERM end it after the current chunk, with a checkpoint of the current cell; a
      second call continues from there.

    Raises:
      ValueError: before anything is compiled: if learners can't be spread over the devices, or ``out`` holds cells made with
        other settings.
      OSError: if ``out`` can't be written.
    """
    mesh = task_mesh(num_devices)
    stores = [_Store(Path(out) / "cells" / cell.task / cell.algorithm) for cell in comparison.cells]
    for cell, store in zip(comparison.cells, stores, strict=True):
        if isinstance(cell.learner, OuterLearner):
            _explain(cell, partial(cell.learner.check_devices, mesh.size))
            check_scale(cell.learner)
        store.check(comparison.settings(cell))
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
        _replace(Path(out) / ".probe", b"")
        (Path(out) / ".probe").unlink()
    except OSError as error:
        raise OSError(f"can't write to {out}: {error.strerror or error}; choose another directory") from error
    results = []
    with jax.set_mesh(mesh), supervised() as supervision:
        for cell, store in zip(comparison.cells, stores, strict=True):
            problem = None if store.finished else NOT_RUN
            if problem and not supervision.caught:
                problem = _run(comparison, cell, store, mesh, say, supervision)
            results.append(CellResult(cell, *store.load(), error=problem))
    return Outcome(comparison, tuple(results), supervision.caught[0] if supervision.caught else None)


def _run(
    comparison: Comparison, cell: Cell, store: "_Store", mesh: jax.sharding.Mesh, say: Say, supervision: Supervision
) -> str | None:
    """Runs a cell and stores its result; returns None, or the reason why the cell did not finish."""
    try:
        store.begin(comparison.settings(cell))
        trained = _train(comparison, cell, store, mesh, say, supervision)
        if trained is None:
            return NOT_RUN
        say(f"{cell.name}: evaluating")
        supervision.doing(f"the evaluation of {cell.name}")
        store.finish(*_evaluate(comparison, cell, trained))
    except Exception as error:  # an error in one cell must not stop the others
        message = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
        say(f"{cell.name} failed: {message}")
        return message
    say(f"{cell.name}: done")
    return None


# Learners that differ in numbers only


@dataclasses.dataclass(frozen=True)
class Variants:
    """V learners of one structure; numbers in which they differ are arrays, so that a ``vmap`` may run over them.

    Attributes:
      structure: tree structure of each learner.
      leaves: leaves of the first learner.
      varying: index of a leaf -> its values [V].
    """

    structure: Any
    leaves: list[Any]
    varying: dict[int, jax.Array]

    @classmethod
    def of(cls, learners: dict[str, Any]) -> "Variants":
        """Returns the variants of learners by label.

        Raises:
          ValueError: if they differ in anything but numeric leaves, or do not differ.
        """
        (first_label, first), *others = learners.items()
        leaves, structure = jax.tree.flatten(first)
        rows = [leaves]
        for label, learner in others:
            row = jax.tree.leaves(learner)
            alike = len(row) == len(leaves) and all(np.shape(a) == np.shape(b) for a, b in zip(row, leaves, strict=True))
            if not alike or describe(jax.tree.unflatten(structure, row)) != describe(learner):
                raise ValueError(
                    f"{label!r} and {first_label!r} differ in more than numbers, so they can't share one program: "
                    "give each a table of its own"
                )
            if any(all(np.array_equal(a, b) for a, b in zip(row, other, strict=True)) for other in rows):
                raise ValueError(
                    f"{label!r} makes no number of the learner differ: that setting changes the program, or has a value twice; "
                    "give each value a table of its own"
                )
            rows.append(row)
        columns = [np.stack([np.asarray(leaf) for leaf in column]) for column in zip(*rows, strict=True)]
        varying = {i: jnp.asarray(column) for i, column in enumerate(columns) if (column != column[0]).any()}
        return cls(structure, leaves, varying)

    def learner(self, values: dict[int, jax.Array]) -> Any:
        """Returns the learner with these values of the leaves that vary."""
        return jax.tree.unflatten(self.structure, [values.get(index, leaf) for index, leaf in enumerate(self.leaves)])


# Training


class Trainings(NamedTuple):
    """Trainings in one program, [R] = variants x seeds, seeds innermost."""

    state: MetaState
    failed_step: jax.Array  # [R] int32, the outer step that was not finite, counted from 1; 0 while training is sound
    failed_metric: jax.Array  # [R] int32, which metric, in alphabetical order


TRAININGS_LAYOUT = Trainings(
    MetaState(SHARED, SHARED, SHARED, by_task=PartitionSpec(None, TASK_AXIS)),
    SHARED,  # type: ignore[arg-type]
    SHARED,  # type: ignore[arg-type]
)
"""Sharding of trainings [R, ...]: arrays with a task axis are split along it, as in a single training."""


@dataclasses.dataclass(frozen=True)
class Trained:
    """Result of training a cell.

    Attributes:
      theta: deployed meta-parameters of each training [R], as NumPy arrays; empty for a hand-written learner.
      learners: the learners [R].
      failures: [V][S] reason why a training failed, or None.
      info: steps and seconds.
    """

    theta: Theta
    learners: list[Any]
    failures: list[list[str | None]]
    info: dict[str, Any]


def _train(
    comparison: Comparison, cell: Cell, store: "_Store", mesh: jax.sharding.Mesh, say: Say, supervision: Supervision
) -> Trained | None:
    """Trains all variants from all seeds, from the last checkpoint on if there is one; None if a signal ended it early."""
    variants = Variants.of(cell.variants)
    num_variants = len(cell.variants)
    if not isinstance(cell.learner, OuterLearner):
        learners = [variants.learner({i: x[v] for i, x in variants.varying.items()}) for v in range(num_variants)]
        info = {"outer_steps": 0, "env_steps": 0, "train_seconds": 0.0, "compile_seconds": 0.0}
        return Trained((), learners, [[None]] * num_variants, info)

    num_seeds, budget = comparison.num_seeds, comparison.budget
    values = {i: jnp.repeat(x, num_seeds, axis=0) for i, x in variants.varying.items()}
    seeds = jnp.asarray(np.arange(comparison.seed, comparison.seed + num_seeds, dtype=np.uint32))
    keys = jnp.tile(jax.vmap(jax.random.key)(seeds), num_variants)
    init, chunk, metrics = _programs(variants)
    if budget.env_steps is not None:
        for learner in cell.variants.values():
            if isinstance(learner, OuterLearner) and (note := annealing_note(learner, budget.num_steps(learner))):
                say(f"{cell.name}: {note}")
                break

    num_steps, limit = budget.num_steps(cell.learner), budget.wall_clock_seconds or math.inf
    with store.checkpoints() as checkpoints:
        template = (jax.eval_shape(init, values, keys), jax.ShapeDtypeStruct((), jnp.float32))
        step, (read, spent) = checkpoints.restore(template) or (0, (None, 0.0))
        if step:
            say(f"{cell.name}: continuing at outer step {step}")
        layout = jax.tree.map(partial(NamedSharding, mesh), TRAININGS_LAYOUT)
        keys, values = moved_to(NamedSharding(mesh, SHARED), (keys, values))
        supervision.doing(f"the compilation of {cell.name}")
        started = time.perf_counter()
        chunk = jax.jit(chunk, donate_argnums=0, out_shardings=layout)
        run = chunk.lower(shapes_on(layout, template[0]), keys, values, jnp.int32(0), jnp.int32(1)).compile()
        check_memory(run, cell.learner, list(mesh.devices.flat))
        trainings = made_on(layout, init, values, keys) if read is None else moved_to(layout, read)  # ours to donate
        compile_seconds = time.perf_counter() - started
        say(f"{cell.name}: compiled {num_variants} x {num_seeds} trainings in {compile_seconds:.1f} s")

        seconds, saved_at, said_at = float(spent), float(spent), time.monotonic()
        count, took, failed = 1, 0.0, np.zeros(len(keys), bool)
        while step < num_steps and seconds < limit and not failed.all() and not supervision.caught:
            supervision.doing(f"outer step {step + count} of {cell.name}", usual_seconds=took)
            started = time.perf_counter()
            trainings = run(trainings, keys, values, jnp.int32(step), jnp.int32(count))
            failed = np.asarray(trainings.failed_step) > 0
            took = time.perf_counter() - started
            step, seconds = step + count, seconds + took
            left = min(SECONDS_PER_CHUNK, max(limit - seconds, 0.0))
            count = min(max(1, round(left * count / took)), max(1, num_steps - step))
            if seconds - saved_at > SECONDS_PER_CHECKPOINT:
                checkpoints.save(step, (trainings, np.float32(seconds)))
                saved_at = seconds
            if time.monotonic() - said_at > SECONDS_PER_LINE:
                said_at = time.monotonic()
                say(f"{cell.name}: {100 * max(step / num_steps, seconds / limit):.0f} % of the budget, outer step {step}")
        if step < num_steps and seconds < limit and not failed.all():  # a signal ended the loop
            if seconds > saved_at:
                checkpoints.save(step, (trainings, np.float32(seconds)))
            return None

    learners = [variants.learner({i: x[r] for i, x in values.items()}) for r in range(len(keys))]
    thetas = [learner.deploy(jax.tree.map(lambda x, r=r: x[r], trainings.state)) for r, learner in enumerate(learners)]
    steps, which = np.asarray(trainings.failed_step), np.asarray(trainings.failed_metric)
    reasons = [f"{metrics[m]} is not finite at outer step {n}" if n else None for n, m in zip(steps, which, strict=True)]
    failures = [reasons[v * num_seeds : (v + 1) * num_seeds] for v in range(num_variants)]
    info = {
        "outer_steps": step,
        "env_steps": step * cell.learner.num_env_steps,
        "train_seconds": seconds,
        "compile_seconds": compile_seconds,
    }
    return Trained(jax.device_get(thetas), learners, failures, info)


def _programs(variants: Variants) -> tuple[Any, Any, list[str]]:
    """Returns (init(values, keys), chunk(trainings, keys, values, first_step, count), names of metrics), over trainings [R]."""

    @jax.jit
    def init(values: dict[int, jax.Array], keys: jax.Array) -> Trainings:
        state = jax.vmap(lambda values, key: variants.learner(values).init(key))(values, keys)
        zeros = jnp.zeros(keys.shape, jnp.int32)
        return Trainings(state, zeros, zeros)

    @jax.jit  # traced once, though it is named twice below
    def step(state: MetaState, keys: jax.Array, values: dict[int, jax.Array]) -> Any:
        return jax.vmap(lambda state, key, values: variants.learner(values).step(state, key))(state, keys, values)

    examples = {i: x[:1] for i, x in variants.varying.items()}
    key = jax.random.split(jax.random.key(0), 1)
    _, metrics = jax.eval_shape(step, jax.eval_shape(init, examples, key).state, key, examples)
    names = sorted(metrics)

    def body(keys: jax.Array, values: dict[int, jax.Array], first_step: jax.Array, index: jax.Array, old: Trainings) -> Trainings:
        number = first_step + index
        state, metrics = step(old.state, jax.vmap(jax.random.fold_in, (0, None))(keys, number), values)
        bad = ~jnp.isfinite(jnp.stack([metrics[name] for name in names], axis=-1))  # [R, M]
        fails = bad.any(-1) & (old.failed_step == 0)
        sound = (old.failed_step == 0) & ~fails

        def keep(new: jax.Array, before: jax.Array) -> jax.Array:
            return jnp.where(sound.reshape(sound.shape + (1,) * (new.ndim - 1)), new, before)

        return Trainings(
            jax.tree.map(keep, state, old.state),
            jnp.where(fails, number + 1, old.failed_step),
            jnp.where(fails, jnp.argmax(bad, -1).astype(jnp.int32), old.failed_metric),
        )

    def chunk(
        trainings: Trainings, keys: jax.Array, values: dict[int, jax.Array], first_step: jax.Array, count: jax.Array
    ) -> Trainings:
        return jax.lax.fori_loop(0, count, partial(body, keys, values, first_step), trainings)

    return init, chunk, names


# Evaluation


def _evaluate(comparison: Comparison, cell: Cell, trained: Trained) -> tuple[Returns, dict[str, Any]]:
    tasks, why_not_held_out = cell.test_tasks()
    key = jax.random.fold_in(jax.random.key(comparison.seed), EVALUATION_FOLD)
    num_seeds = len(trained.failures[0])
    failed = [reason for variant in trained.failures for reason in variant]
    thetas = trained.theta or [()] * len(failed)
    started = time.perf_counter()
    sound = {
        index: evaluate(
            learner.inner, tasks, theta, key, protocol=cell.protocol, num_tasks=comparison.num_test_tasks, progress=False
        )
        for index, (learner, theta, reason) in enumerate(zip(trained.learners, thetas, failed, strict=True))
        if reason is None
    }

    def gather(field: str) -> np.ndarray:
        rows = {index: np.asarray(getattr(result, field), np.float32) for index, result in sound.items()}
        unknown = np.full(next(iter(rows.values())).shape if rows else (0,), np.nan, np.float32)
        whole = np.stack([rows.get(index, unknown) for index in range(len(failed))])
        return whole.reshape(len(cell.variants), num_seeds, *unknown.shape)

    returns = Returns(**{field.name: gather(field.name) for field in dataclasses.fields(Returns)})
    reference = tasks.reference_return(cell.protocol.num_segments * cell.protocol.segment_length)
    info = {
        "format": FORMAT,
        "task": cell.task,
        "algorithm": cell.algorithm,
        "kind": cell.kind,
        "variants": [{"label": v, "failures": f} for v, f in zip(cell.variants, trained.failures, strict=True)],
        "seeds": [comparison.seed + s for s in range(num_seeds)],
        "num_test_tasks": comparison.num_test_tasks,
        "split": tasks.split,
        "why_not_held_out": why_not_held_out,
        "protocol": cell.protocol._asdict(),
        "horizon": tasks.horizon,
        "reference": None if reference is None else reference._asdict(),
        **trained.info,
        "evaluation_seconds": time.perf_counter() - started,
        "versions": versions(),
        "device": device(),
        "git_commit": git_commit(),
    }
    return returns, info


# Storage


@dataclasses.dataclass(frozen=True)
class _Store:
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
        changed = differences(old, settings)
        if changed:
            raise ValueError(
                f"{self.path} was made with other settings:\n  "
                + "\n  ".join(changed)
                + "\nuse the old settings or another results directory, or delete that directory to run the cell again"
            )

    def begin(self, settings: dict[str, Any]) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        _replace(self.path / "settings.json", json.dumps(settings, indent=2).encode())

    def checkpoints(self) -> contextlib.closing[Checkpoints]:
        return contextlib.closing(Checkpoints(self.path / "checkpoints", keep=1))

    def finish(self, returns: Returns, info: dict[str, Any]) -> None:
        content = io.BytesIO()
        np.savez_compressed(content, **dataclasses.asdict(returns))
        _replace(self.path / "returns.npz", content.getvalue())
        _replace(self.path / "result.json", (json.dumps(info, indent=2) + "\n").encode())
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


def _replace(file: Path, content: bytes) -> None:
    """Replaces a file atomically, so that it is never half-written."""
    temporary = file.with_name(file.name + ".tmp")
    temporary.write_bytes(content)
    temporary.replace(file)


def _digested(learner: Any) -> Any:
    """Returns the learner with a checksum in place of every large array, such as a table of indices."""

    def digest(leaf: Any) -> Any:
        return leaf if np.size(leaf) <= LARGE else f"{np.shape(leaf)}, CRC-32 {zlib.crc32(np.asarray(leaf).tobytes()):08x}"

    return jax.tree.map(digest, learner)


def _explain(cell: Cell, check: Callable[[], None]) -> None:
    """Runs a check, and adds the name of the cell to its ValueError."""
    try:
        check()
    except ValueError as error:
        raise ValueError(f"{cell.name}: {error}") from error
