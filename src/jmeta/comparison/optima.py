"""Reference points of scores: the optimum for the same experience, and the mean of a chosen algorithm."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jmeta.comparison.plan import Comparison
from jmeta.comparison.store import CellResult


def optimum_of(
    comparison: Comparison, sound: dict[tuple[str, int], np.ndarray], results: Sequence[CellResult]
) -> dict[str, Any] | None:
    """Returns the best known mean score per episode: the reference of the task, or the score of the chosen algorithm.

    If the reference depends on the length of a lifetime, the lifetime of the random policy counts, of the task's default length.
    """
    for result in sorted(results, key=lambda result: result.cell.kind != "random"):
        value = own_optimum(result, None)
        if value is not None:
            reference, (num_steps, _) = result.info["reference"], experience_of(result.info)
            after = f" of {num_steps} steps" if reference["per"] == "lifetime" else ""
            return {"label": f"{reference['label']}{after}", "value": value}
    value = mean_of(sound, [comparison.reference])
    return None if value is None else {"label": f"{comparison.reference}, learned", "value": value}


def own_optimum(result: CellResult, other: dict[str, Any] | None) -> float | None:
    """Returns the optimum per episode for the same experience; ``other``'s value where the task itself has no reference.

    A reference for a lifetime is that of an agent that learns the task from one stream of that length. It does not apply to
    several streams, which give more information, nor to an oracle, which is told the task. The optimum is then None.
    """
    info = result.info
    reference = info.get("reference")
    if reference is None:
        return None if other is None else other["value"]
    if reference["per"] == "lifetime" and (info["protocol"]["num_streams"] > 1 or result.cell.kind == "oracle"):
        return None
    return reference["value"] / _episodes(info, reference["per"])


def experience_of(info: dict[str, Any]) -> tuple[int, int]:
    """Returns the environment steps of a stream in a lifetime, and the number of streams."""
    protocol = info["protocol"]
    return protocol["num_segments"] * protocol["segment_length"], protocol["num_streams"]


def mean_of(sound: dict[tuple[str, int], np.ndarray], names: Sequence[str | None]) -> float | None:
    """Returns the mean score of the best variant of the first of these algorithms; None without one."""
    means = [float(values.mean()) for (algorithm, _), values in sound.items() if algorithm in names[:1]]
    return max(means, default=None)


def _episodes(info: dict[str, Any], per: str) -> int:
    """Returns the number of full-length episodes in a lifetime or in an episode."""
    return info["protocol"]["num_segments"] * (info["protocol"]["segment_length"] // info["horizon"]) if per == "lifetime" else 1
