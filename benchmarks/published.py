"""Reproducing published tables: train some seeds of a row, evaluate the final weights, and set them beside the published ones.

Each table is a module of its own beside this one, a list of ``Row``. ``python benchmarks/bandits.py`` runs one; what is done is not
run again, so a table may be filled over several sittings. ``python benchmarks/published.py`` prints all tables as Markdown.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console

import jmeta
from jmeta.cli.registry import build
from jmeta.training import Recipe
from jmeta.training.run_directory import device, git_commit, versions

RESULTS = Path(__file__).parent / "results"
EVALUATION_FOLD = 2**31 - 1  # evaluation draws from fold_in(key, this), which no outer step does


@dataclasses.dataclass(frozen=True)
class Row:
    """One setting of a published table.

    Attributes:
      name: of the setting, unique in its table.
      recipe: what is trained.
      num_steps: outer steps.
      published: label to score, as printed.
      optimum: of this score, with what it is called; None where it is not known.
      num_tasks: tasks in evaluation.
      split: which; "train" where the publication tests on fresh draws of the training tasks.
    """

    name: str
    recipe: Recipe
    num_steps: int
    published: dict[str, str]
    optimum: tuple[str, float] | None
    num_tasks: int = 100_000
    split: str = "held-out"


def reproduce(table: str, rows: Sequence[Row], description: str) -> None:
    """The command line of a table: trains and evaluates what is not done yet, and keeps ``results/TABLE.json`` up to date."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", action="append", choices=[row.name for row in rows], help="only this row; may be repeated")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--runs", type=Path, default=Path("runs/published"), help="where checkpoints are kept")
    options = parser.parse_args()
    path = RESULTS / f"{table}.json"
    for row in rows:
        if options.row and row.name not in options.row:
            continue
        for seed in range(options.seeds):
            record = json.loads(path.read_text()) if path.exists() else {"rows": {}}
            done = record["rows"].setdefault(row.name, _describe(row))
            if done["recipe"] != dataclasses.asdict(row.recipe) or done["num_steps"] != row.num_steps:
                raise SystemExit(f"{path}: row {row.name!r} was run with other settings: delete it there to run it anew")
            if str(seed) in done["seeds"]:
                continue
            scored = _run(row, seed, options.runs / table / row.name.replace(" ", "") / f"seed-{seed}")
            if scored is None:
                return
            done["seeds"][str(seed)] = scored
            path.write_text(json.dumps(record, indent=2) + "\n")
            Console().print(f"{row.name}, seed {seed}: {scored['mean']:.4f} ± {scored['standard_error']:.4f}", highlight=False)


def _describe(row: Row) -> dict[str, Any]:
    described = dataclasses.asdict(row)
    return {name: described[name] for name in ("recipe", "num_steps", "published", "optimum", "split")} | {"seeds": {}}


def _run(row: Row, seed: int, out: Path) -> dict[str, Any] | None:
    """Trains and evaluates one seed; None if training was interrupted."""
    outer = build(json.loads(json.dumps(dataclasses.asdict(row.recipe)), object_hook=_recipe))
    started = time.perf_counter()
    key = jax.random.key(seed)
    trained = jmeta.train(outer, key, row.num_steps, out=out, resume=out.exists(), recipe=row.recipe)
    if trained.interrupted_by:
        return None
    seconds = time.perf_counter() - started
    tasks = {"train": outer.tasks.train, "held-out": outer.tasks}[row.split]
    tasks = tasks.held_out if row.split == "held-out" else tasks
    result = jmeta.evaluate(
        outer.inner,
        tasks,
        trained.theta,
        jax.random.fold_in(key, EVALUATION_FOLD),
        protocol=outer.protocol,
        num_tasks=row.num_tasks,
    )
    return {
        "mean": result.mean_return,
        "standard_error": result.standard_error,
        "episode_returns": np.round(result.episode_returns.mean(0), 4).tolist(),
        "num_tasks": row.num_tasks,
        "env_steps": row.num_steps * outer.num_tasks * outer.protocol.num_env_steps,
        "training_seconds": round(seconds, 1),
        "versions": versions(),
        "device": device(),
        "git_commit": git_commit(),
    }
