"""Progress of an evaluation: a bar on a terminal, a line now and then elsewhere."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from jmeta.training.progress import SECONDS_BETWEEN_LINES


class EvaluationProgress:
    """Shows the number of tasks evaluated and the time left. Without a terminal, a short evaluation prints nothing.

    Args:
      num_tasks: number of tasks, or of what else is counted.
      enabled: False shows nothing.
      console: the console to write to; standard error by default.
      what: what is counted.
    """

    def __init__(self, num_tasks: int, *, enabled: bool = True, console: Console | None = None, what: str = "tasks"):
        self._num_tasks, self._enabled, self._what = num_tasks, enabled, what
        self._console = console or Console(stderr=True)
        self._live = enabled and (self._console.is_terminal or self._console.is_jupyter)
        columns = (TextColumn("evaluation"), BarColumn(), MofNCompleteColumn(), TextColumn(what), TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not self._live)
        self._task = self._bar.add_task("", total=num_tasks)
        self._began = self._last_line = time.monotonic()

    def __enter__(self) -> "EvaluationProgress":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()

    def update(self, done: int) -> None:
        """Reports the number of tasks done."""
        self._bar.update(self._task, completed=done)
        now = time.monotonic()
        if self._enabled and not self._live and done < self._num_tasks and now - self._last_line > SECONDS_BETWEEN_LINES:
            self._last_line = now
            left = (self._num_tasks - done) * (now - self._began) / done
            self._console.print(f"evaluated {done:,} of {self._num_tasks:,} {self._what}, {left:.0f} s left", highlight=False)
