"""The style that plots share."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def show_all_spans(axes: Axes) -> None:
    """Makes x logarithmic from the end of the shortest curve on, if the longest is ten times as long."""
    curves = [line for line in axes.get_lines() if line.get_transform() == axes.transData]  # reference lines go all the way
    spans = [span for line in curves if (span := float(np.max(line.get_xdata()))) > 0.0]
    if spans and max(spans) > 10.0 * min(spans):
        axes.set_xscale("symlog", linthresh=min(spans))


def finish(axes: Axes) -> None:
    """Applies the style that all panels share."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, lw=0.6)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=9, framealpha=0.85, edgecolor="none")  # a background, so that curves do not cross the text


def save(figure: Figure, out: Path) -> None:
    """Writes a PNG; raises OSError where that can't be done."""
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150)
