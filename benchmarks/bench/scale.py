"""The scale of normalised scores, one for each task family: 0 is acting at random, 1 is acting with the task known.

The upper end is exact where it can be computed. Where it can't, it is the learned score of ``oracle``, an agent that is told the
task, on the budget on which that is higher. So a column of a heat map, and both heat maps, have one scale. The optimum of agents
that learn from one stream can't be the end of a scale for all: agents with many streams see more of a task and may be better.
"""

from collections.abc import Sequence
from typing import Any


def scale_of(families: Sequence[dict[str, Any]], known: dict[str, Any] | None) -> dict[str, Any]:
    """Returns {"random", "upper", "label", "learned"} of a task family, or {"missing": why} if its scores can't be normalised.

    Args:
      families: the results of the family on each budget.
      known: the score with the task known, if it can be computed.
    """

    def means(algorithm: str) -> list[float]:
        found = [each["rows"][algorithm] for each in families if algorithm in each["rows"]]
        return [row["score"]["value"] for row in found if "failed" not in row]

    random, oracle = means("random"), means("oracle")
    if not random:
        return {"missing": "random has not been run"}
    if known is None and not oracle:
        return {"missing": "oracle has not been run, and the score with the task known can't be computed"}
    upper = max(oracle) if known is None else known["value"]
    if upper <= random[0]:
        return {"missing": f"the upper end {upper:.4g} is not above the score of random actions {random[0]:.4g}"}
    label = "learned by oracle" if known is None else known["label"]
    return {"random": random[0], "upper": upper, "label": label, "learned": known is None}


def add_normalised(row: dict[str, Any], scale: dict[str, Any]) -> None:
    """Adds the normalised score of all episodes and of the last to a row; None where there is no scale."""
    if "failed" in row:
        return
    for name, of in (("normalised", "score"), ("normalised_last", "last")):
        row[name] = None if "missing" in scale else {each: normalised(value, scale) for each, value in row[of].items()}


def normalised(value: float | None, scale: dict[str, Any]) -> float | None:
    """Returns (value - random) / (upper - random).

    Example:
      >>> normalised(0.75, {"random": 0.5, "upper": 1.0})
      0.5
    """
    return None if value is None else (value - scale["random"]) / (scale["upper"] - scale["random"])
