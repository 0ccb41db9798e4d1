"""``jmeta compare``."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from jmeta.cli.arguments import given
from jmeta.cli.command import tyro_command
from jmeta.cli.console import say, say_error
from jmeta.cli.status import FAILURE, after_signal
from jmeta.comparison import Budget, compare, find_spec, read_spec, write_report


@tyro_command("compare", "Train and score algorithms x tasks x seeds, and report: jmeta compare SPEC --out DIR.")
def compare_command(
    spec: Positional[Path],
    out: Path,
    only: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    seeds: int | None = None,
    seed: int | None = None,
    env_steps: int | None = None,
    wall_clock_seconds: float | None = None,
    num_devices: int | None = None,
    progress: Annotated[bool, tyro.conf.arg(help="show progress on standard error")] = True,
) -> int:
    """Compares algorithms on tasks, and writes results.json, table.md, report.html and plots.

    Results that the directory already holds are not computed again. So the same command continues a comparison that was
    interrupted, or adds algorithms and tasks that are new in the file. The exit status is 1 if an error ended one of them.

    Args:
      spec: TOML file, or the name of a comparison that comes with jmeta, such as first; `jmeta list specs` lists them.
      out: results directory.
      only: an algorithm to run now, by the name of its table; may be repeated; all run by default. The
        report shows those that ran before, too.
      seeds: number of trainings of each variant, in place of the file's.
      seed: seed of the first training and of the test tasks, in place of the file's.
      env_steps: environment steps of each training, in place of the file's budget.
      wall_clock_seconds: seconds of training for all seeds of an algorithm on a task, in place of the file's budget.
      num_devices: number of local devices to spread the tasks over; all by default.
    """
    budget = given(env_steps=env_steps, wall_clock_seconds=wall_clock_seconds)
    replaced = given(num_seeds=seeds, seed=seed, budget=Budget(**budget) if budget else None)
    comparison = dataclasses.replace(read_spec(find_spec(spec)), **replaced)
    report = say if progress else lambda message: None
    outcome = compare(comparison, out, only=only, num_devices=num_devices, say=report)
    print(write_report(outcome, out).read_text("utf-8"), end="")
    if outcome.interrupted_by:
        report(f"stopped by {outcome.interrupted_by}; the same command goes on from here")
        return after_signal(outcome.interrupted_by)
    report(f"report: {out / 'report.html'}")
    if outcome.failed:
        names = ", ".join(result.cell.name for result in outcome.failed)
        say_error("error:", f"no training of these was finished, see the report: {names}")
        return FAILURE
    return 0
