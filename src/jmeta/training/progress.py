"""Progress of a run: a live bar on a terminal and in notebooks, a line now and then elsewhere."""

import time
from types import TracebackType

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

SECONDS_BETWEEN_LINES = 20.0
SECONDS_OF_SPEED = 600.0  # window of the estimate of the time left; must hold two outer steps


class _StepsPerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.fields["env_steps_per_second"]
        return Text(f"{_engineering(speed)} env steps/s" if speed else "compiling", style="dim")


class ProgressReport:
    """Shows steps, environment steps per second, mean returns, and the time left.

    The returns are those of the first and of the last episode of lifetimes, averaged over the newest chunk of outer steps.

    Args:
      first_step: outer step at which this training begins, above 0 for a resumed run.
      num_steps: outer step at which it ends.
      env_steps_per_step: environment steps of one outer step.
      enabled: False shows nothing.
      console: the console to write to; standard error by default.
    """

    def __init__(
        self, first_step: int, num_steps: int, env_steps_per_step: int, *, enabled: bool = True, console: Console | None = None
    ):
        self._console = console or Console(stderr=True)
        self._env_steps_per_step = env_steps_per_step
        self._num_steps = num_steps
        self._enabled = enabled
        self._live = enabled and (self._console.is_terminal or self._console.is_jupyter)
        self._last_line = time.monotonic()
        self._bar = Progress(
            TextColumn("meta-training"),
            BarColumn(20),
            MofNCompleteColumn(),
            _StepsPerSecond(),
            TextColumn("return of first episode {task.fields[before]}, of last {task.fields[after]}"),
            TimeRemainingColumn(),
            console=self._console,
            speed_estimate_period=SECONDS_OF_SPEED,
            disable=not self._live,
        )
        self._task = self._bar.add_task(
            "", total=num_steps, completed=first_step, env_steps_per_second=0.0, before="…", after="…"
        )

    def __enter__(self) -> "ProgressReport":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()

    def note(self, message: str) -> None:
        """Prints a message, if progress is shown."""
        if self._enabled:
            self._console.print(message, highlight=False, markup=False, soft_wrap=True)

    def warn(self, message: str) -> None:
        """Prints a message even if progress is not shown."""
        self._console.print(message, highlight=False, markup=False, soft_wrap=True)

    def update(self, step: int, seconds: float, metrics: dict[str, np.ndarray]) -> None:
        """Reports a chunk that ended at ``step`` and took ``seconds``."""
        count = len(metrics["return/after"])
        speed = count * self._env_steps_per_step / seconds
        before, after = (f"{metrics[name].mean():.3g}" for name in ("return/before", "return/after"))
        self._bar.update(self._task, completed=step, env_steps_per_second=speed, before=before, after=after)
        now = time.monotonic()
        if self._enabled and not self._live and (now - self._last_line > SECONDS_BETWEEN_LINES or step == self._num_steps):
            self._last_line = now
            left = (self._num_steps - step) * seconds / count
            self._console.print(
                f"step {step}/{self._num_steps}  {_engineering(speed)} env steps/s  "
                f"return of first episode {before}, of last {after}  {left:.0f} s left",
                highlight=False,
                soft_wrap=True,
            )


def _engineering(value: float) -> str:
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}"
