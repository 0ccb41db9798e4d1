"""Whether ``jmeta train ALGORITHM --task FAMILY``, without another setting, reaches what its recipe was measured to reach.

    python -m benchmarks.defaults RUNS [--minutes 5] [NAME ...]

Trains every pair of algorithm and task family that has a recipe, from a seed that no table used, and scores it as the recipe was
measured. The score is normalised: random actions are 0, and the recipe's own score is 1. The exit status is 1 if one is below 0.9
and also more than three standard errors below the recipe's score. The second condition is for baselines, some of which earn no
more than random actions.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recipe_runs import scored, trained
from jmeta import recipes

SEED = 100
NUM_TASKS = 2000
ENOUGH = 0.9
RESULTS = Path(__file__).parent / "results" / "defaults.json"


def pairs() -> list[str]:
    """Returns the names of the recipes that ``jmeta train ALGORITHM --task FAMILY`` begins with."""
    named = map(recipes.get, recipes.names())
    return [each.name for each in named if each.name == f"{each.recipe.algorithm}/{each.recipe.task}"]


def measure(runs: Path, name: str) -> dict[str, Any]:
    """Trains and scores one pair."""
    named = recipes.get(name)
    algorithm, family = name.split("/")
    words = ["train", algorithm, "--task", family, "--seed", str(SEED)]
    opened = trained(runs / name.replace("/", "-"), words, named)
    _, each, random = scored(opened, named, opened.theta, SEED, NUM_TASKS)
    score, error, recipe = float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each))), named.measured.score
    share = (score - random) / (recipe - random)
    return {
        "command": " ".join(["jmeta", *words, "--out DIR"]),
        "score": round(score, 4),
        "standard_error": round(error, 4),
        "recipe": recipe,
        "random": round(random, 4),
        "share": round(share, 4),
        "enough": share >= ENOUGH or score > recipe - 3 * error,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Train pairs of algorithm and task with no other setting.")
    parser.add_argument("runs", type=Path, help="directory of the runs")
    parser.add_argument("names", nargs="*", help="recipes; all pairs by default")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="leave out recipes that take longer")
    arguments = parser.parse_args()
    rows = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    chosen = [name for name in arguments.names or pairs() if recipes.get(name).measured.minutes <= arguments.minutes]
    for name in chosen:
        rows[name] = measure(arguments.runs, name)
        RESULTS.write_text(json.dumps(dict(sorted(rows.items())), indent=2) + "\n", "utf-8")
        print(name, json.dumps(rows[name]))
    if low := [name for name in chosen if not rows[name]["enough"]]:
        raise SystemExit(f"below {ENOUGH} of the recipe: {', '.join(low)}")


if __name__ == "__main__":
    main()
