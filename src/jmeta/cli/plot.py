"""``jmeta plot``."""

from pathlib import Path

from tyro.conf import Positional

from jmeta.cli.command import tyro_command
from jmeta.evaluation.plots import plot_runs
from jmeta.training import RunDirectory


@tyro_command("plot", "Draw learning and adaptation curves of runs: jmeta plot DIR ... [--out FILE].")
def plot_command(runs: Positional[tuple[Path, ...]], out: Path | None = None) -> int:
    """Draws the learning curve and the adaptation curve of each run into one PNG.

    Args:
      runs: run directories.
      out: output file; plot.png in the first run directory by default.
    """
    if not runs:
        raise ValueError("which runs? usage: jmeta plot DIR ...")
    print(plot_runs([RunDirectory(run) for run in runs], out or runs[0] / "plot.png"))
    return 0
