"""Writes what was measured into the index of recipes, ``src/jmeta/recipes/index.toml``, from the results that are stored here.

    python -m benchmarks.recipes

Run it after a new measurement. A new recipe is a new table in the index with ``spec``, ``task``, ``algorithm`` and ``sources``
(and ``row``, where the row of the results has another name than the table of algorithms). This script adds ``measured``.
"""

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from jmeta.recipes import INDEX

REPOSITORY = Path(__file__).parents[1]
REPORTS = "benchmarks/reports/"
DIGITS = 5  # significant ones


def measured(entry: dict[str, Any]) -> dict[str, Any]:
    """Returns what the stored results say of a table of the index."""
    results = [json.loads((REPOSITORY / source).read_text("utf-8")) for source in entry["sources"]]
    if not entry["sources"][0].startswith(REPORTS):
        return _of_table([table["rows"].get(entry.get("row", entry["algorithm"])) for table in results])
    (report,) = results
    (task,) = (task for task in report["tasks"] if task["task"] == entry["task"])
    (row,) = (row for row in task["rows"] if row["algorithm"] == entry["algorithm"])
    return _of_report(task, row)


def _of_report(task: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """Returns the measurement in a report of ``jmeta compare``, whose seeds trained in one program."""
    found = {
        "score": _rounded(row["mean"]["value"]),
        "interval": [_rounded(row["mean"][end]) for end in ("low", "high")],
        "of": "episode",
        "seeds": row["num_seeds"],
        "env_steps": row["env_steps"],
        "minutes": round((row["train_seconds"] / row["num_seeds"] + row["compile_seconds"]) / 60, 1),
    }
    optimum = task["optimum"]
    if optimum is None:
        return found
    value = row.get("optimum", optimum["value"])  # early reports have one optimum for all rows
    if value is None or (row["kind"] == "oracle" and optimum["label"] != "goal known"):
        return found  # the optimum of learning from one stream: not of several streams, nor of an agent that is told the task
    return found | {"optimum": _rounded(value), "optimum_label": optimum["label"]}


def _of_table(rows: list[dict[str, Any] | None]) -> dict[str, Any]:
    """Returns the measurement in published tables, whose seeds trained one by one; of each seed, the first row that has it."""
    by_seed: dict[str, dict[str, Any]] = {}
    for row in reversed(rows):
        by_seed |= row["seeds"] if row else {}
    seeds = list(by_seed.values())
    adapts = any(row and row["protocol"].get("num_segments", 1) > 1 for row in rows)
    scores = [seed["trajectory_returns"][1] if adapts else seed["mean"] for seed in seeds]
    error = np.std(scores, ddof=1) / len(scores) ** 0.5 if len(scores) > 1 else seeds[0]["standard_error"]
    found = {
        "score": _rounded(np.mean(scores)),
        "standard_error": _rounded(error),
        "of": "second-segment" if adapts else "lifetime",
        "seeds": len(seeds),
        "env_steps": seeds[0]["env_steps"],
        "minutes": round(min(seed["training_seconds"] for seed in seeds) / 60, 1),
    }
    if (known := seeds[0]["reference"]) is None:
        return found
    times = len(seeds[0]["episode_returns"]) if known["per"] == "episode" and not adapts else 1
    return found | {"optimum": _rounded(known["value"] * times), "optimum_label": known["label"]}


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def formatted(name: str, entry: dict[str, Any]) -> str:
    """Returns a table of the index as TOML."""
    lines = [f'["{name}"]']
    lines += [f"{key} = {_toml(value)}" for key, value in entry.items() if key != "measured"]
    return "\n".join([*lines, f"measured = {_toml(measured(entry))}", ""])


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(item)}' for key, item in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return f"{value:_}" if isinstance(value, int) else json.dumps(value, ensure_ascii=False)


def main() -> None:
    """Writes the index again; the comment at its top stays."""
    text = INDEX.read_text("utf-8")
    above = text.split('\n["')[0]
    tables = [formatted(name, entry) for name, entry in tomllib.loads(text).items()]
    INDEX.write_text("\n".join([above, *tables]), "utf-8")


if __name__ == "__main__":
    main()
