"""Results of a tuning as text, as JSON and as a specification of the winners."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from jmeta.recipes import SCORES
from jmeta.training.files import replace_file
from jmeta.tuning.found import Found, Tried
from jmeta.tuning.plan import Tuning

FORMAT = 1


def write_tuning(tuning: Tuning, founds: list[Found], out: str | Path) -> str:
    """Writes tuning.json, with every trial, and winners.toml; returns the summary, which tuning.txt has too."""
    directory, text = Path(out), summary(tuning, founds)
    replace_file(directory / "tuning.json", (json.dumps(_as_json(tuning, founds), indent=2) + "\n").encode())
    replace_file(directory / "tuning.txt", text.encode())
    if any(found.best for found in founds):
        replace_file(directory / "winners.toml", tomli_w.dumps(winners(tuning, founds)).encode())
    return text


def summary(tuning: Tuning, founds: list[Found]) -> str:
    """Returns, for each search, how good the best and the median setting of each round are, and which one won."""
    lines = [f"{tuning.name}: {SCORES[tuning.score]}, {tuning.num_seeds} seed(s), {tuning.num_tasks} validation tasks"]
    for found in founds:
        search = found.search
        refused = len(search.trials) - len(search.cells)
        lines += ["", search.name + (f" ({refused} of {len(search.trials)} settings were refused)" if refused else "")]
        if search.cells[0].split == "train":
            lines.append("  its family holds no tasks out: scored on training tasks, with another seed")
        for number, (rung, tried) in enumerate(zip(found.rungs, found.tried, strict=True), start=1):
            lines.append(f"  round {number}: {len(tried):>3} settings, {rung.env_steps:>12,} steps  {_spread(tried)}")
        if (best := found.best) is None:
            lines.append("  no sound training" if found.tried else "  not finished")
            continue
        named = ", ".join(f"{name} = {value}" for name, value in search.trials[best.trial].settings.items())
        lines.append(f"  best: trial {best.trial}, {_score(best)}: {named or 'the settings of the table itself'}")
        if own := next((tried for tried in found.tried[-1] if tried.trial == 0 != best.trial), None):
            lines.append(f"  trial 0, the settings of the table itself: {_score(own)}")
    return "\n".join(lines) + "\n"


def _spread(tried: tuple[Tried, ...]) -> str:
    sound = [each.score for each in tried if np.isfinite(each.score)]
    failed = f", {len(tried) - len(sound)} failed" if len(sound) < len(tried) else ""
    if not sound:
        return f"all {len(tried)} failed"
    return f"best {max(sound):.4g}, median {np.median(sound):.4g}, worst {min(sound):.4g}{failed}"


def _score(tried: Tried) -> str:
    by_seed = f" ({', '.join(f'{value:.4g}' for value in tried.by_seed)})" if len(tried.by_seed) > 1 else ""
    return f"failed, {tried.failures[0]}" if tried.failures else f"{tried.score:.4g}{by_seed}"


def _as_json(tuning: Tuning, founds: list[Found]) -> dict[str, Any]:
    def rounds(found: Found) -> list[dict[str, Any]]:
        return [
            {
                "env_steps": rung.env_steps,
                "trials": [
                    {
                        "trial": each.trial,
                        "score": each.score if np.isfinite(each.score) else None,
                        "by_seed": [value if np.isfinite(value) else None for value in each.by_seed],
                        "failures": list(each.failures),
                    }
                    for each in tried
                ],
            }
            for rung, tried in zip(found.rungs, found.tried, strict=True)
        ]

    return {
        "format": FORMAT,
        "name": tuning.name,
        "score": tuning.score,
        "seeds": [tuning.seed + number for number in range(tuning.num_seeds)],
        "num_tasks": tuning.num_tasks,
        "searches": [
            {
                "task": found.search.task,
                "algorithm": found.search.algorithm,
                "split": found.search.cells[0].split,
                "settings": [trial.settings for trial in found.search.trials],
                "refusals": [trial.refusal for trial in found.search.trials],
                "rounds": rounds(found),
                "best": found.best.trial if found.best else None,
            }
            for found in founds
        ],
    }


def winners(tuning: Tuning, founds: list[Found]) -> dict[str, Any]:
    """Returns the specification with the winners' settings, for ``jmeta compare`` to score on held-out tasks.

    An algorithm that was tuned in several task families has a table for each, ``ALGORITHM-TASK``.
    """
    spec = copy.deepcopy(tuning.spec)
    del spec["tuning"]
    if not {"env_steps", "wall_clock_seconds"} & spec.keys():
        spec["env_steps"] = tuning.env_steps
    for name in dict.fromkeys(found.search.algorithm for found in founds if found.best):
        table = spec["algorithms"].pop(name)
        by_task = table.pop("by_task", {})
        mine = [found for found in founds if found.search.algorithm == name]
        for found in mine:
            settings = found.search.trials[found.best.trial].settings if found.best else {}
            label = name if len(mine) == 1 else f"{name}-{found.search.task}"
            own = by_task.get(found.search.task, {})
            spec["algorithms"][label] = table | own | settings | {"tasks": [found.search.task]}
    if spec.get("reference") not in spec["algorithms"]:
        spec.pop("reference", None)
    return spec
