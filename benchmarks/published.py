"""Prints the published tables as they were measured before the tables were specs, as Markdown.

``results/table-*.json`` holds those measurements, and ``results/references.json`` the scores of hand-written learners, from
``benchmarks/references.py``. A table is measured anew by ``jmeta compare NAME --out DIR``, with one of ``bandits``,
``tabular-mdp``, ``navigation``, ``grid-navi``, ``dark`` and ``gymnax-meta``.

    python -m benchmarks.published
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Prints every table that has results."""
    for path in sorted(RESULTS.glob("table-*.json")):
        _print_trained(path.stem.removeprefix("table-"), json.loads(path.read_text())["rows"])
    for table, rows in json.loads((RESULTS / "references.json").read_text()).items():
        _print_references(table, rows)


def _print_trained(table: str, rows: dict[str, Any]) -> None:
    print(f"\n### {table}: trained\n")
    headings = ("jmeta, mean over seeds (each ± s.e. over tasks)", "reference", "published", "env steps", "minutes, fastest seed")
    print(f"| setting | {' | '.join(headings)} |")
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
        minutes = min(seed["training_seconds"] for seed in seeds) / 60
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
