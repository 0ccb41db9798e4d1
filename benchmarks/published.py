"""Reproducing published tables: train some seeds of a row, evaluate the final weights, and set them beside the published ones.

Each table is a module of its own beside this one, a list of ``Row``. ``python -m benchmarks.bandits`` runs one; what is done is
not run again, so a table may be filled over several sittings. ``python -m benchmarks.published`` prints all tables as Markdown,
and what ``benchmarks/references.py`` scored.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
from rich.console import Console

import jmeta
from jmeta.evaluation.evaluate import EVALUATION_FOLD
from jmeta.inner.gradient_agent import Initialisation
from jmeta.registry import build
from jmeta.training import Recipe
from jmeta.training.provenance import device, git_commit, versions

RESULTS = Path(__file__).parent / "results"


@dataclasses.dataclass(frozen=True)
class Row:
    """One setting of a published table.

    Attributes:
      name: of the setting, unique in its table.
      recipe: what is trained.
      num_steps: outer steps; 0 for fresh weights.
      published: whose score, and the score as printed.
      num_tasks: tasks in evaluation.
      split: which; "train" where the publication tests on fresh draws of the training tasks.
      protocol: what a lifetime is in evaluation, where it is not what it is in training; such rows are shown segment by segment.
      adapted_by: a kind of MAML that adapts the policy's weights in evaluation, for a policy trained without adapting.
    """

    name: str
    recipe: Recipe
    num_steps: int
    published: dict[str, str]
    num_tasks: int = 100_000
    split: Literal["train", "held-out"] = "held-out"
    protocol: dict[str, int] = dataclasses.field(default_factory=dict)
    adapted_by: Recipe | None = None


def reproduce(table: str, rows: Sequence[Row], description: str) -> None:
    """The command line of a table: trains and evaluates what is not done yet, and keeps ``results/TABLE.json`` up to date."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", action="append", choices=[row.name for row in rows], help="only this row; may be repeated")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--runs", type=Path, default=Path("runs/published"), help="where checkpoints are kept")
    options = parser.parse_args()
    path = RESULTS / f"table-{table}.json"
    for row in rows:
        if options.row and row.name not in options.row:
            continue
        for seed in range(options.seeds):
            record = json.loads(path.read_text()) if path.exists() else {"rows": {}}
            settings = json.loads(json.dumps(_describe(row)))
            done = record["rows"].setdefault(row.name, settings)
            if done | {"seeds": {}} != settings:
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
    names = ["recipe", "num_steps", "published", "split", "protocol"] + ["adapted_by"] * bool(row.adapted_by)
    return {name: described[name] for name in names} | {"seeds": {}}


def _run(row: Row, seed: int, out: Path) -> dict[str, Any] | None:
    """Trains and evaluates one seed; None if training was interrupted."""
    outer = build(row.recipe)
    key = jax.random.key(seed)
    started = time.perf_counter()
    if row.num_steps:
        trained = jmeta.train(outer, key, row.num_steps, out=out, resume=out.exists(), recipe=row.recipe)
        if trained.interrupted_by:
            return None
        theta = trained.theta
    else:
        theta = outer.deploy(outer.init(key))
    seconds = time.perf_counter() - started
    inner = outer.inner
    if row.adapted_by:
        inner = build(row.adapted_by).inner
        theta = Initialisation({name: theta[name] for name in ("policy", "torso")}, ())
    tasks = outer.tasks.held_out if row.split == "held-out" else outer.tasks.train
    protocol = outer.protocol._replace(**row.protocol)
    result = jmeta.evaluate(
        inner,
        tasks,
        theta,
        jax.random.fold_in(key, EVALUATION_FOLD),
        protocol=protocol,
        num_tasks=row.num_tasks,
    )
    reference = tasks.reference_return(protocol.num_segments * protocol.segment_length)
    return {
        "mean": result.mean_return,
        "standard_error": result.standard_error,
        "episode_returns": np.round(result.episode_returns.mean(0, dtype=np.float64), 4).tolist(),
        "trajectory_returns": np.round(result.trajectory_returns.mean(0, dtype=np.float64), 4).tolist(),
        "reference": None if reference is None else reference._asdict(),
        "num_tasks": row.num_tasks,
        "env_steps": row.num_steps * outer.num_env_steps,
        "training_seconds": round(seconds, 1),
        "versions": versions(),
        "device": device(),
        "git_commit": git_commit(),
    }


def main() -> None:
    """Prints every table that has results."""
    for path in sorted(RESULTS.glob("table-*.json")):
        _print_trained(path.stem.removeprefix("table-"), json.loads(path.read_text())["rows"])
    for table, rows in json.loads((RESULTS / "references.json").read_text()).items():
        _print_references(table, rows)


def _print_trained(table: str, rows: dict[str, Any]) -> None:
    print(f"\n### {table}: trained\n")
    print("| setting | jmeta, mean over seeds (each ± s.e. over tasks) | reference | published | env steps | minutes a seed |")
    print("|---|---|---|---|---|---|")
    for name, row in rows.items():
        seeds = list(row["seeds"].values())
        if not seeds:
            continue
        if row["protocol"]:
            mean, each = _over_seeds(seeds, "trajectory_returns")
            each += f"; first episodes alone {_over_seeds(seeds, 'episode_returns')[0]}"
        else:
            mean = f"{np.mean([seed['mean'] for seed in seeds]):.4g}"
            each = "; ".join(f"{seed['mean']:.4g} ± {seed['standard_error']:.2g}" for seed in seeds)
        known = seeds[0]["reference"]
        reference = f"{known['label']} {known['value']:.4f} per {known['per']}" if known else ""
        published = ", ".join(f"{who} {score}" for who, score in row["published"].items())
        minutes = np.mean([seed["training_seconds"] for seed in seeds]) / 60
        cells = [
            name,
            f"**{mean}** over {len(seeds)} ({each})",
            reference,
            published,
            f"{seeds[0]['env_steps']:.2g}",
            f"{minutes:.1f}",
        ]
        print(f"| {' | '.join(cells)} |")


def _over_seeds(seeds: list[dict[str, Any]], field: str) -> tuple[str, str]:
    """A list of returns: its mean over seeds, and each seed's."""
    each = [seed[field] for seed in seeds]
    return _scores(np.mean(each, 0)), "; ".join(_scores(returns) for returns in each)


def _scores(scores: Sequence[float] | np.ndarray) -> str:
    return ", ".join(f"{score:.4g}" for score in scores)


def _print_references(table: str, rows: list[dict[str, Any]]) -> None:
    print(f"\n### {table}: hand-written learners\n")
    print("| setting | learner | jmeta ± s.e. | tasks | published | by |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        published = "" if row["published"] is None else f"{row['published']:g}"
        print(
            f"| {row['setting']} | {row['learner']} | {row['mean']:.5g} ± {row['standard_error']:.2g} | {row['num_tasks']:,} "
            f"| {published} | {row['source']} |"
        )


if __name__ == "__main__":
    main()
