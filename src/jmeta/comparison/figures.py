"""Figures of a comparison's report."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jmeta.evaluation.plots import finish, save, show_all_spans

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Colour-blind-safe palette of Okabe and Ito (2008), without its black and yellow, which vanish on a dark or a light page."""
RANDOM_COLOUR = "#7F7F7F"
DASHES = ("-", "--", ":")  # from the seventh row on


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
