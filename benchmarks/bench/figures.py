"""The heat map of the bench, and the figures of ranks and of costs."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from benchmarks.bench.groups import GROUP_COLOURS, GROUPS, ORDER, group_of
from benchmarks.bench.ranks import Ranks
from jmeta.evaluation.plots import finish

ABSENT = "#C8C8C8"
FAILED = "#F2C4B3"
DARK = 0.75  # normalised scores above this have white numbers


def heat_map(results: dict[str, Any], runs_in: dict[str, list[str]], families: Sequence[str], score: str) -> Figure:
    """Draws the normalised scores of all algorithms in all task families.

    A cell is grey where the algorithm does not run, white where it has not been run, and red where a training failed.

    Args:
      results: those on one budget, by task family.
      runs_in: the task families in which each algorithm runs.
      families: the columns.
      score: "normalised" for the mean of all episodes of a lifetime, or "normalised_last" for the last.
    """
    names = [name for name in ORDER if name in runs_in]
    figure = Figure(figsize=(7.0, 0.27 * len(names) + 1.5), layout="constrained")
    axes = figure.subplots()
    for y, name in enumerate(names):
        for x, family in enumerate(families):
            row = results.get(family, {}).get("rows", {}).get(name)
            _cell(axes, x, y, row, score, absent=family not in runs_in[name])
    bounds = np.flatnonzero([group_of(a) != group_of(b) for a, b in itertools.pairwise(names)])
    axes.hlines(bounds + 0.5, -0.5, len(families) - 0.5, color="black", lw=1.2)
    axes.set(xlim=(-0.5, len(families) - 0.5), ylim=(len(names) - 0.5, -0.5))
    axes.set_xticks(range(len(families)), families, rotation=35, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_color(GROUP_COLOURS[group_of(name)] if name not in GROUPS["references"] else "black")
    axes.spines[:].set_visible(False)
    keys = [Patch(fc=ABSENT, label="does not run there"), Patch(fc="white", ec="0.6", label="not run yet")]
    keys.append(Patch(fc=FAILED, label="failed"))
    figure.legend(handles=keys, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def _cell(axes: Axes, x: int, y: int, row: dict[str, Any] | None, score: str, *, absent: bool) -> None:
    colour, text, ink = "white", "", "black"
    if absent:
        colour = ABSENT
    elif row is not None and "failed" in row:
        colour, text = FAILED, "failed"
    elif row is not None and row[score] is None:
        text = "?"
    elif row is not None:
        value = row[score]["value"]
        shade = float(np.clip(value, 0.0, 1.0))
        colour, text = to_hex(colormaps["YlGnBu"](0.85 * shade)), two_digits(value)
        ink = "white" if shade > DARK else "black"
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fc=colour, ec="0.85", lw=0.6))
    axes.text(x, y, text, ha="center", va="center", color=ink, fontsize=9 if text != "failed" else 7.5)


def two_digits(value: float) -> str:
    """Returns a normalised score with two digits; far below 0, with fewer.

    Example:
      >>> two_digits(0.514), two_digits(-0.001), two_digits(-12.3)
      ('0.51', '0.00', '-12')
    """
    return f"{value:.0f}" if abs(value) >= 9.995 else f"{value + 0.0:.2f}".replace("-0.00", "0.00")


def ranks_figure(ranks: Ranks) -> Figure:
    """Draws the mean rank of each algorithm, best first, with its 95 % interval."""
    figure = Figure(figsize=(7.0, 0.25 * len(ranks.algorithms) + 1.2), layout="constrained")
    axes = figure.subplots()
    finish(axes)
    order = np.argsort(ranks.mean, kind="stable")
    for place, index in enumerate(order):
        colour = GROUP_COLOURS[group_of(ranks.algorithms[index])]
        axes.hlines(place, ranks.low[index], ranks.high[index], color=colour, lw=2.5)
        axes.plot(ranks.mean[index], place, "o", color=colour, ms=5.5)
    axes.set_yticks(range(len(order)), [ranks.algorithms[index] for index in order])
    axes.set_ylim(len(order) - 0.4, -0.6)
    number = len(ranks.families)
    axes.set_xlabel(f"mean rank over {number} task {'family' if number == 1 else 'families'} (1 is the best)")
    _group_legend(figure, [group_of(name) for name in ranks.algorithms])
    return figure


def cost_figure(results: dict[str, Any], families: Sequence[str], cost: str, label: str) -> Figure:
    """Draws the score of each algorithm over its cost, and names those that no other algorithm surpasses at a lower cost.

    Args:
      results: those on one budget, by task family.
      families: the panels.
      cost: name of a number of a row, such as "train_seconds".
      label: what it is.
    """
    columns = min(2, len(families))
    lines = -(-len(families) // columns)
    figure = Figure(figsize=(4.2 * columns, 2.9 * lines + 0.4), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    groups = []
    for axes, family in zip(grid, families, strict=False):
        finish(axes)
        rows = results[family]["rows"]
        sound = {n: (r[cost], r["score"]["value"]) for n, r in rows.items() if "failed" not in r and r["outer_steps"] > 0}
        for name, (x, y) in sound.items():
            groups.append(group_of(name))
            axes.plot(x, y, "o", color=GROUP_COLOURS[group_of(name)], ms=5.5, mec="white", mew=0.6)
        for name in frontier(sound):
            axes.annotate(name, sound[name], (4, 4), textcoords="offset points", fontsize=8)
        if sound:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.margins(x=0.2, y=0.12)
        axes.set_title(family)
        axes.set_xlabel(label)
        axes.set_ylabel("score")
    for axes in grid[len(families) :]:
        axes.set_visible(False)
    _group_legend(figure, groups)
    return figure


def frontier(points: dict[str, tuple[float, float]]) -> list[str]:
    """Returns the algorithms that are better than all cheaper ones, the cheapest first, without references.

    One that is hardly better than the one before it is left out, so that names don't overlap, unless it is the best of all.

    Args:
      points: cost and score of each algorithm.
    """
    own = {name: point for name, point in points.items() if name not in GROUPS["references"]}
    scores, best = [y for _, y in points.values()], max((y for _, y in own.values()), default=0.0)
    found: list[str] = []
    for name in sorted(own, key=lambda name: (own[name][0], -own[name][1])):
        gain = own[name][1] - own[found[-1]][1] if found else np.inf
        if gain > 0.08 * (max(scores) - min(scores)) or (gain > 0 and own[name][1] == best):
            found.append(name)
    return found


def _group_legend(figure: Figure, groups: Sequence[str]) -> None:
    keys = [Patch(fc=GROUP_COLOURS[group], label=group) for group in GROUPS if group in groups]
    if keys:
        figure.legend(handles=keys, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
