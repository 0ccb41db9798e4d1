"""``jmeta compare``."""

from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from tyro.conf import Positional

from jmeta.comparison import compare, find_spec, read_spec, write_report

INTERRUPTED, TERMINATED = 130, 143


def compare_command(args: list[str]) -> int:
    """Train and score algorithms x tasks x seeds, and report: jmeta compare SPEC --out DIR."""

    def run(
        spec: Positional[Path],
        out: Path,
        num_devices: int | None = None,
        progress: Annotated[bool, tyro.conf.arg(help="show progress on standard error")] = True,
    ) -> int:
        """Compares algorithms on tasks, and writes results.json, table.md, report.html and plots.

        Results that the directory already holds are not computed again. So the same command continues a comparison that was
        interrupted, or adds algorithms and tasks that are new in the file.

        Args:
          spec: TOML file, or the name of a comparison that comes with jmeta, such as first; `jmeta list specs` lists them.
          out: results directory.
          num_devices: number of local devices to spread the tasks over; all by default.
        """
        comparison = read_spec(find_spec(spec))
        console = Console(stderr=True, quiet=not progress)

        def say(message: str) -> None:
            console.print(message, highlight=False, markup=False, soft_wrap=True)

        outcome = compare(comparison, out, num_devices=num_devices, say=say)
        print(write_report(outcome, out).read_text(), end="")
        if outcome.interrupted_by:
            say(f"stopped by {outcome.interrupted_by}; the same command goes on from here")
            return INTERRUPTED if outcome.interrupted_by == "SIGINT" else TERMINATED
        say(f"report: {out / 'report.html'}")
        return 0

    return tyro.cli(run, prog="jmeta compare", args=args)
