"""``jmeta tune``."""

from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from jmeta.cli.command import tyro_command
from jmeta.cli.console import say
from jmeta.cli.status import after_signal
from jmeta.comparison import find_spec
from jmeta.tuning import read_tuning, tune, write_tuning


@tyro_command("tune", "Choose settings on validation tasks: jmeta tune SPEC --out DIR.")
def tune_command(
    spec: Positional[Path],
    out: Path,
    only: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    num_devices: int | None = None,
    progress: Annotated[bool, tyro.conf.arg(help="show progress on standard error")] = True,
) -> int:
    """Tries the settings in the tables [tuning.space.ALGORITHM] of a specification by successive halving.

    Settings are scored on validation tasks; held-out tasks are never drawn. The directory gets tuning.json, with every trial, and
    winners.toml, which `jmeta compare` scores on held-out tasks. Trials that the directory already holds are not computed again,
    so the same command continues a tuning that was interrupted.

    Args:
      spec: TOML file with a table [tuning].
      out: results directory.
      only: an algorithm to tune now, by the name of its table; may be repeated; all are tuned by default.
      num_devices: number of local devices to spread the tasks over; all by default.
    """
    tuning = read_tuning(find_spec(spec))
    report = say if progress else lambda message: None
    founds, interrupted_by = tune(tuning, out, only=only, num_devices=num_devices, say=report)
    print(write_tuning(tuning, founds, out), end="")
    if interrupted_by:
        report(f"stopped by {interrupted_by}; the same command goes on from here")
        return after_signal(interrupted_by)
    report(f"winners: jmeta compare {out / 'winners.toml'} --out DIR scores them on held-out tasks")
    return 0
