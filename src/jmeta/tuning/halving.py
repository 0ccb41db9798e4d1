"""Successive halving: many settings are trained for a short time, the best of them for longer, and so on."""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import numpy as np

from jmeta.comparison import Budget, CellResult, Comparison, Outcome, compare
from jmeta.recipes import scores
from jmeta.registry import nearest
from jmeta.tuning.found import Found, Tried
from jmeta.tuning.grouping import grouped
from jmeta.tuning.plan import Search, Tuning


def tune(
    tuning: Tuning,
    out: str | Path,
    *,
    only: Collection[str] = (),
    num_devices: int | None = None,
    say: Callable[[str], None] = lambda message: None,
) -> tuple[list[Found], str | None]:
    """Tries the settings of every search, by successive halving on validation tasks.

    Each round is a comparison in a directory of its own, so every trial is kept and a second call continues. Settings that differ
    in numbers share a program, and the others run in turn. The algorithm's own settings, trial 0, are in every round.

    Args:
      tuning: the tuning.
      out: results directory; created if missing, continued if it exists.
      only: names of the algorithms to tune now; all by default.
      num_devices: how many local devices to use; all by default.
      say: called with lines of progress.

    Returns:
      The result of each search, and the signal that ended the tuning early, or None.

    Raises:
      ValueError: as ``compare``.
      OSError: if ``out`` can't be written.
    """
    names = {search.algorithm for search in tuning.searches}
    if unknown := [name for name in only if name not in names]:
        raise ValueError(f"only: no search space is called {unknown[0]!r}; {nearest(unknown[0], names)}")
    founds = []
    for search in tuning.searches:
        if only and search.algorithm not in only:
            continue
        found, interrupted_by = _search(tuning, search, Path(out), num_devices, say)
        founds.append(found)
        if interrupted_by:
            return founds, interrupted_by
    return founds, None


def _search(
    tuning: Tuning, search: Search, out: Path, num_devices: int | None, say: Callable[[str], None]
) -> tuple[Found, str | None]:
    found = Found(search, (), ())
    left = [number for number, trial in enumerate(search.trials) if trial.cell is not None]
    for number, rung in enumerate(tuning.rungs, start=1):
        say(f"{search.name}, round {number} of {tuning.num_rungs}: {len(left)} settings of {rung.env_steps:,} environment steps")
        cells, members = grouped(search, left)
        comparison = Comparison(
            f"{tuning.name}, round {number}",
            cells,
            tuning.num_seeds,
            Budget(env_steps=rung.env_steps),
            num_test_tasks=tuning.num_tasks,
            seed=tuning.seed,
        )
        outcome = compare(comparison, out / f"round-{number}", num_devices=num_devices, say=say)
        if outcome.interrupted_by:
            return found, outcome.interrupted_by
        tried = sorted(_tried(tuning, outcome, members), key=lambda each: (-each.score, each.trial))
        found = Found(search, (*found.rungs, rung), (*found.tried, tuple(tried)))
        if number < tuning.num_rungs:
            sound = [each.trial for each in tried if np.isfinite(each.score)]
            kept = sound[: tuning.rungs[number].num_settings]
            left = sorted({*kept, *(trial for trial in sound if trial == 0)})
            if not left:
                say(f"{search.name}: every training failed")
                break
    return found, None


def _tried(tuning: Tuning, outcome: Outcome, members: list[list[int]]) -> Iterable[Tried]:
    """Yields the scores of each trial."""
    for result, trials in zip(outcome.results, members, strict=True):
        values = _scores(tuning, result)
        for index, trial in enumerate(trials):
            if values is None:
                yield Tried(trial, (), (result.error or "not run",))
            else:
                reasons = tuple(reason for reason in result.info["variants"][index]["failures"] if reason)
                yield Tried(trial, tuple(float(value) for value in values[index]), reasons)


def _scores(tuning: Tuning, result: CellResult) -> np.ndarray | None:
    """Returns the mean over validation tasks of each variant and seed [V, S]."""
    return None if result.returns is None else np.asarray(scores(result.returns, tuning.score), np.float64).mean(-1)
