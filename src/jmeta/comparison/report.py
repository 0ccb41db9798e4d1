"""Report of a comparison: a Markdown table, plots, and a self-contained HTML page."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jmeta.comparison.page import page
from jmeta.comparison.store import Outcome
from jmeta.comparison.summary import summarise
from jmeta.evaluation.plots import finish, save, show_all_spans

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Colour-blind-safe palette of Okabe and Ito (2008), without its black and yellow, which vanish on a dark or a light page."""
RANDOM_COLOUR = "#7F7F7F"
DASHES = ("-", "--", ":")  # from the seventh row on

ROUNDING = 1e-12  # smaller magnitudes are rounding errors, shown as 0
MOST_EPISODES = 8  # up to this many, a table shows every episode

DEFINITIONS = """\
- A **score** is the mean return of an episode, averaged over the episodes of a lifetime, for one training on one test task.
- **IQM** is the interquartile mean of all scores (the mean of their middle half), and **mean** is the mean of all scores.
  **Lifetime** is the mean return of a whole lifetime. Brackets are 95 % bootstrap intervals, which resample seeds and test tasks;
  a hand-written learner has no seeds to resample.
- **Normalised** is (mean - random) / (optimum - random), and **regret** is optimum - mean, per episode. Their intervals treat the
  random and the optimal score as constants. The optimum is for a lifetime of the same number of steps. If it is the optimum of
  learning from one stream, a dash stands in rows that have more information: several streams, or an oracle that is told the task.
- **To the best** is the mean of this row minus the mean of the best row, paired by test task. **P(beats the best)** is the
  probability that one training of this row scores higher than one training of the best row on the same task. The best row has
  the highest mean among the rows with the same experience (steps and streams), oracles excluded.
- **Adaptation length** is the number of environment steps, summed over streams, that a lifetime spends before the mean return
  settles at its final value. From then on the return stays within a tolerance of that value: 5 % of optimum - random where both
  are known, else 5 % of the final value, plus half the width of the interval. A dash means that the return has not settled.
- **Zero-shot** is the mean return of the first episode. **Final** is the mean return of the last quarter of the episodes.
- **Worst 5 %** and **worst 20 %** are percentiles over test tasks of the score averaged over seeds. They reflect chance within
  a lifetime as well as the difficulty of the tasks.
- **Learning curves** show the return of the last episode of a lifetime on training tasks: the mean and the range over seeds.
- **Env steps** are the environment steps of meta-training, for each seed. **Wall-clock** is the time of training + compilation in
  seconds, for all seeds and variants together.
"""


def write_report(outcome: Outcome, out: str | Path) -> Path:
    """Writes results.json, table.md, report.html, curves.png, learning.png, profile.png and normalised.png.

    Args:
      outcome: what ``compare`` returned.
      out: its results directory.

    Returns:
      The path of table.md.
    """
    out = Path(out)
    summary = summarise(outcome)
    content = json.dumps(summary, indent=2, allow_nan=False) + "\n"
    (out / "results.json").write_text(content)
    table = out / "table.md"
    table.write_text(markdown(summary))
    (out / "report.html").write_text(page(summary, COLOURS, RANDOM_COLOUR, DEFINITIONS))
    draw(summary, out)
    return table


# Table


def markdown(summary: dict[str, Any]) -> str:
    """Returns all numbers of a summary as Markdown, with a table for each task family."""
    parts = [f"# {summary['name']}\n\n{_say_budget(summary)}\n"]
    for task in summary["tasks"]:
        parts.append(f"## {task['task']}\n\n{say_task(task)}\n\n{_table(HEADINGS, [_cells(row) for row in task['rows']])}")
        lived = [row for row in task["rows"] if not row["failed"]]
        if lived:
            parts.append(f"Mean return of each episode of a lifetime:\n\n{_by_episode(lived)}")
        failed = [f"- {row['label']}: {row['failed']}" for row in task["rows"] if row["failed"] and row["ran"]]
        if failed:
            parts.append("Failed:\n\n" + "\n".join(failed) + "\n")
    if len(summary["tasks"]) > 1 and summary["suite"]:
        rows = [[row["label"], _interval(row["iqm"]), _interval(row["mean"])] for row in summary["suite"]]
        heading = "## All task families\n\nNormalised scores, averaged over tasks for each seed. Intervals resample seeds."
        parts.append(f"{heading}\n\n{_table(['algorithm', 'IQM', 'mean'], rows)}")
    return "\n".join([*parts, "## What the columns mean\n", DEFINITIONS])


HEADINGS = [
    *("algorithm", "IQM", "mean", "normalised", "regret", "to the best", "P(beats the best)", "adaptation length", "zero-shot"),
    *("final", "worst 5 %", "worst 20 %", "lifetime", "env steps", "wall-clock"),
]


def _cells(row: dict[str, Any]) -> list[str]:
    if row["failed"]:
        return [row["label"], "failed" if row["ran"] else row["failed"], *["—"] * (len(HEADINGS) - 2)]
    better = row["probability_of_beating_best"]
    trained = row["outer_steps"] > 0
    return [
        row["label"],
        *(_interval(row[name]) for name in ("iqm", "mean", "normalised", "regret", "difference_to_best")),
        "—" if better is None else f"{better:.2f}",
        _number(row["adaptation_length"]),
        *(_interval(row[name]) for name in ("zero_shot", "final")),
        *(_number(row["worst"][percent]) for percent in ("5", "20")),
        _interval(row["lifetime"]),
        f"{row['env_steps']:,}" if trained else "—",
        f"{row['train_seconds']:.1f} + {row['compile_seconds']:.1f}" if trained else "—",
    ]


def _by_episode(rows: list[dict[str, Any]]) -> str:
    """Returns a table of the return by episode; of many episodes, only some at growing distances and the last."""
    longest = max(len(row["curve"]["value"]) for row in rows)
    some = [n * 10**power for power in range(len(str(longest))) for n in (1, 2, 3, 5)]
    shown = range(1, longest + 1) if longest <= MOST_EPISODES else sorted({*(n for n in some if n < longest), longest})
    returns = [dict(enumerate(row["curve"]["value"], start=1)) for row in rows]
    cells = [[row["label"], *(_number(known.get(n)) for n in shown)] for row, known in zip(rows, returns, strict=True)]
    return _table(["episode", *map(str, shown)], cells)


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


def _say_budget(summary: dict[str, Any]) -> str:
    budget = summary["budget"]
    each = (
        f"{budget['wall_clock_seconds']:g} s of training for each algorithm in each task family"
        if budget["env_steps"] is None
        else f"{budget['env_steps']:,} environment steps for each training"
    )
    ended = f" Ended early by {summary['interrupted_by']}." if summary["interrupted_by"] else ""
    return f"{summary['num_seeds']} seeds, from {summary['seed']} on; {each}.{ended}"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _interval(estimate: dict[str, Any] | None) -> str:
    if estimate is None or estimate["value"] is None:
        return "—"
    value = _number(estimate["value"])
    return value if estimate["low"] is None else f"{value} [{_number(estimate['low'])}, {_number(estimate['high'])}]"


def _number(value: float | None) -> str:
    if value is not None and abs(value) < ROUNDING:
        value = 0.0
    return "—" if value is None else f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"


# Plots


def draw(summary: dict[str, Any], out: Path) -> None:
    """Draws curves.png, learning.png, and where scores can be normalised profile.png and normalised.png.

    Each has a panel for each task family. There is no learning.png if no learning curve is known.
    """
    tasks = [task for task in summary["tasks"] if any(not row["failed"] for row in task["rows"])]
    scaled = [task for task in tasks if task["profile_thresholds"]]
    labels = list(dict.fromkeys(row["label"] for task in summary["tasks"] for row in task["rows"]))
    learned = [task for task in tasks if any(row["learning"] for row in task["rows"])]
    for name, families, panel in (
        ("curves", tasks, _curves),
        ("learning", learned, _learning),
        ("profile", scaled, _profile),
        ("normalised", scaled, _bars),
    ):
        if families:
            save(_panels(families, labels, panel), out / f"{name}.png")


def _panels(
    tasks: Sequence[dict[str, Any]], labels: list[str], panel: Callable[[Axes, dict[str, Any], list[str]], None]
) -> Figure:
    columns = min(3, len(tasks))
    rows = -(-len(tasks) // columns)
    figure = Figure(figsize=(5.2 * columns, 3.9 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, task in zip(grid, tasks, strict=False):
        finish(axes)
        axes.set_axisbelow(True)
        axes.set_title(task["task"])
        panel(axes, task, labels)
    for axes in grid[len(tasks) :]:
        axes.set_visible(False)
    entries = {label: handle for axes in grid for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    if entries:
        shown = [label for label in labels if label in entries]
        handles = [entries[label] for label in shown]
        figure.legend(handles, shown, loc="outside lower center", ncols=2 * columns, frameon=False, fontsize=9)
    return figure


def _look(label: str, labels: list[str]) -> dict[str, Any]:
    if label == "random":
        return {"color": RANDOM_COLOUR, "ls": "-"}
    index = [other for other in labels if other != "random"].index(label)
    return {"color": COLOURS[index % len(COLOURS)], "ls": DASHES[index // len(COLOURS) % len(DASHES)]}


def _curves(axes: Axes, task: dict[str, Any], labels: list[str]) -> None:
    for row in task["rows"]:
        if row["failed"]:
            continue
        curve, look = row["curve"], _look(row["label"], labels)
        axes.plot(curve["env_steps"], curve["value"], marker="o", ms=3.5, lw=1.8, label=row["label"], **look)
        if None not in curve["low"]:
            axes.fill_between(curve["env_steps"], curve["low"], curve["high"], color=look["color"], alpha=0.2, lw=0)
    show_all_spans(axes)
    axes.set_xlabel("environment steps spent in the task")
    axes.set_ylabel("return of an episode")


def _learning(axes: Axes, task: dict[str, Any], labels: list[str]) -> None:
    for row in task["rows"]:
        if row["learning"]:
            curve, look = row["learning"], _look(row["label"], labels)
            axes.plot(curve["env_steps"], curve["value"], lw=1.8, label=row["label"], **look)
            axes.fill_between(curve["env_steps"], curve["low"], curve["high"], color=look["color"], alpha=0.2, lw=0)
    axes.set_xlabel("environment steps of meta-training")
    axes.set_ylabel("return of the last episode")


def _profile(axes: Axes, task: dict[str, Any], labels: list[str]) -> None:
    for row in task["rows"]:
        if not row["failed"] and row["profile"]:
            axes.plot(task["profile_thresholds"], row["profile"], lw=1.8, label=row["label"], **_look(row["label"], labels))
    axes.set_xlabel("normalised score τ")
    axes.set_ylabel("fraction of scores above τ")
    axes.set_ylim(-0.02, 1.02)


def _bars(axes: Axes, task: dict[str, Any], labels: list[str]) -> None:
    rows = [row for row in task["rows"] if not row["failed"] and row["normalised"]]
    for place, row in enumerate(rows):
        estimate = row["normalised"]
        axes.barh(place, estimate["value"], color=_look(row["label"], labels)["color"], height=0.65)
        if estimate["low"] is not None:
            axes.hlines(place, estimate["low"], estimate["high"], color="black", lw=1.4)
    axes.set_yticks(range(len(rows)), [row["label"] for row in rows])
    axes.invert_yaxis()
    axes.axvline(1.0, color="black", lw=1.0, ls="--")
    axes.axvline(0.0, color="black", lw=1.0)
    axes.set_xlabel(f"normalised score: 0 random, 1 {task['optimum']['label']}")
