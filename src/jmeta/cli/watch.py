"""``jmeta watch``."""

import dataclasses
from pathlib import Path

from jmeta.cli.arguments import RunArgument, SplitOption, TaskOption, TrustOption, evaluation_key
from jmeta.cli.other_tasks import TaskFamily, task_command, tasks_of
from jmeta.evaluation.watch import watch
from jmeta.runs import load
from jmeta.zoo import is_zoo_name


@dataclasses.dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """Draws the first and the last episode of a lifetime side by side, for the newest intact checkpoint of a run."""

    run: RunArgument
    out: Path | None = None
    """output file; watch.gif in the run directory by default, or here for an agent of the zoo."""
    split: SplitOption = "held-out"
    task: TaskOption = None
    seed: int = 0
    """seed of the task and of all that happens in it."""
    trust: TrustOption = False


@task_command("watch", "Write a GIF of a trained agent's lifetime in one task: jmeta watch DIR [--out FILE].", WatchOptions)
def watch_command(options: WatchOptions, chosen: TaskFamily | None) -> int:
    """Draws a lifetime in a task of the run's family, or of another one that is named."""
    opened = load(options.run, trust=options.trust)
    family, is_other = tasks_of(opened, chosen)
    tasks = family.tasks.on_split(options.split)
    folder = Path() if is_zoo_name(options.run) else options.run
    out = options.out or folder / (f"watch-{family.label}.gif" if is_other else "watch.gif")
    print(watch(opened.inner, tasks, opened.theta, evaluation_key(options.seed), protocol=opened.protocol, out=out))
    return 0
