"""Scores at equal experience: the return of the next episode after so many environment steps in the task."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def budgets_up_to(num_steps: int) -> list[int]:
    """Returns 0 and the powers of ten below a number of environment steps.

    Example:
      >>> budgets_up_to(250)
      [0, 10, 100]
    """
    return [0, *(10**power for power in range(1, 20) if 10**power < num_steps)]


def by_budget(rows: Sequence[dict[str, Any]], told: set[str], declared: Sequence[int] | None) -> dict[str, Any]:
    """Returns what each row earns in the next episode after each budget of environment steps, all streams together.

    After ``b`` steps an agent is the one that begins its last episode at or before ``b``; what it has not lived to learn is not
    counted. A row whose lifetime is over by then has None.

    Args:
      rows: sound rows of one task family.
      told: algorithms that are told the task, which are never the best.
      declared: the budgets; None for 0 and the powers of ten within the longest lifetime.

    Returns:
      ``{"budgets": [B], "rows": [{"label", "next": {"value", "low", "high"}, "earned"}], "best": [B]}``: the return of the next
      episode, the mean return of the episodes that began before it, and the label of the best row at each budget.
    """
    budgets = list(declared) if declared is not None else budgets_up_to(max(map(_lifetime, rows), default=0))
    found = []
    for row in rows:
        curve = row["curve"]
        begins = np.asarray(curve["env_steps"])
        at = [int((begins <= budget).sum()) - 1 if budget < _lifetime(row) else None for budget in budgets]
        found.append(
            {
                "label": row["label"],
                "next": {name: [None if i is None else curve[name][i] for i in at] for name in ("value", "low", "high")},
                "earned": [float(np.mean(curve["value"][:i])) if i else None for i in at],
            }
        )
    known = [each for each, row in zip(found, rows, strict=True) if row["algorithm"] not in told]
    best = []
    for index in range(len(budgets)):
        lived = [each for each in known if each["next"]["value"][index] is not None]
        best.append(max(lived, key=lambda each: each["next"]["value"][index])["label"] if lived else None)
    return {"budgets": budgets, "rows": found, "best": best}


def _lifetime(row: dict[str, Any]) -> int:
    """Returns the environment steps of a lifetime, all streams together."""
    protocol = row["protocol"]
    return int(protocol["num_segments"] * protocol["segment_length"] * protocol["num_streams"])
