"""Scores the trained agents of a cell on the test tasks."""

import dataclasses
import time
from typing import Any

import jax
import numpy as np

from jmeta.comparison.cell import Cell
from jmeta.comparison.plan import Comparison
from jmeta.comparison.pretrained import pretrained
from jmeta.comparison.store import Returns
from jmeta.comparison.training import Trained
from jmeta.evaluation.evaluate import EVALUATION_FOLD, evaluate
from jmeta.training.provenance import device, git_commit, versions

FORMAT = 1


def score(comparison: Comparison, cell: Cell, trained: Trained) -> tuple[Returns, dict[str, Any]]:
    """Returns the returns of every variant and seed of a cell on the test tasks, and the content of its ``result.json``."""
    tasks, why_not_held_out = cell.test_tasks()
    key = jax.random.fold_in(jax.random.key(comparison.seed), EVALUATION_FOLD)
    num_seeds = len(trained.failures[0])
    failed = [reason for variant in trained.failures for reason in variant]
    thetas = trained.theta or [()] * len(failed)
    agents = [(learner.inner, theta) for learner, theta in zip(trained.learners, thetas, strict=True)]
    if cell.adapter is not None:
        agents = [(cell.adapter.inner, pretrained(cell.adapter.inner, theta)) for theta in thetas]
    started = time.perf_counter()
    sound = {
        index: evaluate(inner, tasks, theta, key, protocol=cell.protocol, num_tasks=comparison.num_test_tasks, progress=False)
        for index, ((inner, theta), reason) in enumerate(zip(agents, failed, strict=True))
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
        "adapted_by": None if cell.adapter is None else type(cell.adapter.inner).__name__,
        "horizon": tasks.horizon,
        "reference": None if reference is None else reference._asdict(),
        **trained.info,
        "evaluation_seconds": time.perf_counter() - started,
        "versions": versions(),
        "device": device(),
        "git_commit": git_commit(),
    }
    return returns, info
