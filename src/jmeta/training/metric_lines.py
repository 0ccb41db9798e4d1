"""The lines of metrics.jsonl, one for each outer step, and what is wrong in them."""

import itertools
import json
import math
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from jmeta.training.saving import MAX_STEPS
from jmeta.training.schema import fits


class MetricLines(NamedTuple):
    """The lines of a file of metrics, whole and damaged."""

    whole: dict[int, tuple[bytes, dict[str, Any]]]  # line and content by step
    damaged: list[bytes]  # lines that can't be read, and earlier lines of a step that is there twice

    @classmethod
    def read(cls, file: Path) -> "MetricLines":
        """Reads a file, without a last line that was cut short, and warns of what is wrong in it."""
        found = cls({}, [])
        if not file.is_file():
            return found
        *lines, last = file.read_bytes().split(b"\n")  # JSON strings may hold other line separators
        twice = []
        for line in [*lines, last]:
            row = _row(line)
            if row is not None:
                if row["step"] in found.whole:
                    twice.append(row["step"])
                    found.damaged.append(found.whole[row["step"]][0])
                found.whole[row["step"]] = (line, row)
            elif line is not last:  # the last one was cut short
                found.damaged.append(line)
        num_damaged = len(found.damaged) - len(twice)
        gaps = [(a + 1, b - 1) for a, b in itertools.pairwise([0, *sorted(found.whole)]) if b > a + 1]
        for wrong in (
            f"{num_damaged} lines are damaged" if num_damaged else "",
            f"steps are there twice, {min(twice)} first: the later line counts" if twice else "",
            f"steps {gaps[0][0]} to {gaps[0][1]} are missing, in the first of {len(gaps)} gaps" if gaps else "",
        ):
            if wrong:
                warnings.warn(f"{file}: {wrong}", RuntimeWarning, stacklevel=4)
        return found


def starts_finite(file: Path) -> bool:
    """Returns whether a file of metrics has a first line, and no NaN or infinity in it."""
    if not file.is_file():
        return False
    with file.open("rb") as lines:
        first = lines.readline()
    return bool(first) and _is_finite(first)


def all_finite(file: Path) -> bool:
    """Returns whether no line of a file of metrics holds NaN or infinity, as far as lines can be read; True without a file."""
    return not file.is_file() or all(map(_is_finite, file.read_bytes().splitlines()))


def _is_finite(line: bytes) -> bool:
    values = (_row(line) or {}).values()
    return all(math.isfinite(value) for value in values if isinstance(value, float))


def _row(line: bytes) -> dict[str, Any] | None:
    """Returns the content of a line, or None unless it is an object of numbers and nulls with a step that a run can have."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not all(fits(value, float | None) for value in row.values()):
        return None
    return row if fits(row.get("step"), int) and 0 < row["step"] <= MAX_STEPS + 1 else None
