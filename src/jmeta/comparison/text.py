"""Numbers, tables and sentences of a comparison's report, as Markdown."""

from collections.abc import Sequence
from typing import Any

ROUNDING = 1e-12  # smaller magnitudes are rounding errors, shown as 0


def say_task(task: dict[str, Any]) -> str:
    """Returns a sentence with the test tasks, and the returns per episode of random actions and of the optimum."""
    split = f"{task['num_test_tasks']:,} {task['split']} tasks" if task["split"] else "not run yet"
    why = f" (none are held out: {task['why_not_held_out']})" if task["why_not_held_out"] else ""
    optimum = task["optimum"]
    known = [
        *([] if task["random"] is None else [f"random {task['random']:.4g}"]),
        *([] if optimum is None else [f"optimum {optimum['value']:.4g} ({optimum['label']})"]),
    ]
    return f"{split}{why}. Per episode: {', '.join(known)}." if known else f"{split}{why}."


def say_budget(summary: dict[str, Any]) -> str:
    """Returns the budget of each training in words."""
    own = ", ".join(f"{name} {steps:,}" for name, steps in summary["outer_steps"].items())
    budget = summary["budget"]
    if budget is None:
        return f"outer steps of each training: {own}" if own else "nothing is trained"
    (each,) = (
        said.format(budget[name])
        for name, said in (
            ("env_steps", "{:,} environment steps for each training"),
            ("wall_clock_seconds", "{:g} s of training for each algorithm in each task family"),
            ("outer_steps", "{:,} outer steps for each training"),
        )
        if budget[name] is not None
    )
    return f"{each}, except for these outer steps: {own}" if own else each


def table_of(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def interval(estimate: dict[str, Any] | None) -> str:
    """Returns an estimate with its interval, if it has one."""
    if estimate is None or estimate["value"] is None:
        return "—"
    value = number(estimate["value"])
    return value if estimate["low"] is None else f"{value} [{number(estimate['low'])}, {number(estimate['high'])}]"


def number(value: float | None) -> str:
    """Returns a number with four digits, or a dash."""
    if value is not None and abs(value) < ROUNDING:
        value = 0.0
    return "—" if value is None else f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
