"""Comparisons: every algorithm in every task family, from several seeds, on an equal budget and the same test tasks.

A *cell* is one algorithm in one task family. Its trainings, one for each seed and each variant of a numeric setting, share one
compiled program: learners are pytrees whose numbers are leaves, so they ``vmap``. A cell that is finished is never computed
again. ::

    DIR/cells/TASK/ALGORITHM/settings.json   its settings, written when the cell begins
    DIR/cells/TASK/ALGORITHM/checkpoints/    removed when the cell is finished
    DIR/cells/TASK/ALGORITHM/returns.npz     raw returns of every variant, seed, task and episode
    DIR/cells/TASK/ALGORITHM/learning.npz    mean returns of every variant, seed and outer step of meta-training
    DIR/cells/TASK/ALGORITHM/result.json     failures, timings, versions; written last, so its presence means finished
"""

from collections.abc import Collection
from functools import partial
from pathlib import Path

import jax

from jmeta.comparison.cell import Cell, explain
from jmeta.comparison.plan import Comparison
from jmeta.comparison.scoring import score
from jmeta.comparison.store import NOT_RUN, Outcome, Store
from jmeta.comparison.training import Say, train_cell
from jmeta.outer.base import OuterLearner
from jmeta.outer.premises import check_premises
from jmeta.parallel import task_mesh
from jmeta.registry import nearest
from jmeta.training.files import replace_file
from jmeta.training.supervision import Supervision, supervised


def compare(
    comparison: Comparison,
    out: str | Path,
    *,
    only: Collection[str] = (),
    num_devices: int | None = None,
    say: Say = lambda message: None,
) -> Outcome:
    """Trains and evaluates every cell that ``out`` does not hold already.

    All seeds and variants of a cell train in one program; step i of seed s draws as in ``jmeta.train`` with the same seed. A
    training that becomes non-finite is frozen and reported, and the others continue; so do other cells if one fails. The final
    weights are evaluated with the same key in every cell, so on the same tasks and with common random numbers where possible.

    Args:
      comparison: the comparison to run.
      out: results directory; created if missing, continued if it exists.
      only: names of the algorithms to run now; all by default. The results of others are still read from ``out``.
      num_devices: how many local devices to use; all by default.
      say: called with lines of progress.

    Returns:
      Results of all cells, in order. Ctrl-C or SIGTERM end it after the current chunk, with a checkpoint of the current cell; a
      second call continues from there.

    Raises:
      ValueError: before anything is compiled: if learners can't be spread over the devices, ``out`` holds cells made with other
        settings, or ``only`` has a name that no algorithm has.
      OSError: if ``out`` can't be written.
    """
    names = {cell.algorithm for cell in comparison.cells}
    if unknown := [name for name in only if name not in names]:
        raise ValueError(f"only: no table of algorithms is called {unknown[0]!r}; {nearest(unknown[0], names)}")
    mesh = task_mesh(num_devices)
    stores = [Store(Path(out) / "cells" / cell.task / cell.algorithm) for cell in comparison.cells]
    for cell, store in zip(comparison.cells, stores, strict=True):
        if isinstance(cell.learner, OuterLearner):
            explain(cell, partial(cell.learner.check_devices, mesh.size))
            check_premises(cell.learner)
        store.check(comparison.settings(cell))
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
        replace_file(Path(out) / ".probe", b"")
        (Path(out) / ".probe").unlink()
    except OSError as error:
        raise OSError(f"can't write to {out}: {error.strerror or error}; choose another directory") from error
    results = []
    with jax.set_mesh(mesh), supervised() as supervision:
        for cell, store in zip(comparison.cells, stores, strict=True):
            problem = None if store.finished else NOT_RUN
            if problem and not supervision.caught and (not only or cell.algorithm in only):
                problem = _run(comparison, cell, store, mesh, say, supervision)
            results.append(store.load(cell, problem))
    return Outcome(comparison, tuple(results), supervision.caught[0] if supervision.caught else None)


def _run(
    comparison: Comparison, cell: Cell, store: Store, mesh: jax.sharding.Mesh, say: Say, supervision: Supervision
) -> str | None:
    """Runs a cell and stores its result; returns None, or the reason why the cell did not finish."""
    try:
        store.begin(comparison.settings(cell))
        trained = train_cell(comparison, cell, store, mesh, say, supervision)
        if trained is None:
            return NOT_RUN
        say(f"{cell.name}: evaluating")
        supervision.doing(f"the evaluation of {cell.name}")
        store.finish(*score(comparison, cell, trained), trained.learning)
    except Exception as error:  # an error in one cell must not stop the others
        message = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
        say(f"{cell.name} failed: {message}")
        return message
    say(f"{cell.name}: done")
    return None
