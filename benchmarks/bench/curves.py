"""Adaptation curves and learning curves of the bench: of each group of algorithms, the one with the best last episode."""

from collections.abc import Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from benchmarks.bench.groups import GROUP_COLOURS, GROUPS
from jmeta.evaluation.plot_style import show_all_spans
from jmeta.evaluation.plots import finish

Kind = Literal["curve", "learning"]
LABELS: dict[str, tuple[str, str]] = {
    "curve": ("environment steps in the task", "return of an episode"),
    "learning": ("environment steps of meta-training", "return of the last episode"),
}
ORACLE_COLOUR = "#222222"


def chosen(rows: dict[str, Any]) -> dict[str, str]:
    """Returns the algorithms to draw and their groups: the best of each group by the last episode, and all references."""
    found: dict[str, str] = {}
    for group, names in GROUPS.items():
        sound = [name for name in names if name in rows and "failed" not in rows[name]]
        if group == "references":
            found |= dict.fromkeys(sound, group)
        elif sound:
            found[max(sound, key=lambda name: rows[name]["last"]["value"])] = group
    return found


def overview(results: dict[str, Any], families: Sequence[str], kind: Kind) -> Figure:
    """Draws one kind of curve, with a panel for each task family."""
    columns = min(2, len(families))
    lines = -(-len(families) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.5 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, family in zip(grid, families, strict=False):
        panel(axes, results[family]["rows"], kind)
        axes.set_title(family)
    for axes in grid[len(families) :]:
        axes.set_visible(False)
    return figure


def of_family(rows: dict[str, Any], kind: Kind) -> Figure:
    """Draws one kind of curve of one task family."""
    figure = Figure(figsize=(4.6, 4.0), layout="constrained")
    axes = figure.subplots()
    panel(axes, rows, kind)
    axes.set_title("In a new task" if kind == "curve" else "Meta-training")
    return figure


def panel(axes: Axes, rows: dict[str, Any], kind: Kind) -> None:
    """Draws the curves of the chosen algorithms of one task family."""
    finish(axes)
    for name, group in chosen(rows).items():
        curve = rows[name][kind]
        if curve is None:
            continue
        colour = ORACLE_COLOUR if name == "oracle" else GROUP_COLOURS[group]
        marker = "o" if len(curve["value"]) <= 10 else ""
        style = "--" if group == "references" else "-"
        axes.plot(curve["env_steps"], curve["value"], style, marker=marker, ms=3.5, lw=1.7, color=colour, label=name)
        if None not in curve["low"]:
            axes.fill_between(curve["env_steps"], curve["low"], curve["high"], color=colour, alpha=0.15, lw=0)
    if kind == "curve" and axes.get_lines():
        show_all_spans(axes)
    else:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel(LABELS[kind][0])
    axes.set_ylabel(LABELS[kind][1])
    if axes.get_lines():
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, fontsize=8, frameon=False, handlelength=1.6)
