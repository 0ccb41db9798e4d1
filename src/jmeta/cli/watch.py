"""``jmeta watch``."""

from pathlib import Path

from jmeta.cli.arguments import RunArgument, SplitOption, TrustOption, evaluation_key
from jmeta.cli.command import tyro_command
from jmeta.evaluation.watch import watch
from jmeta.runs import load
from jmeta.zoo import is_zoo_name


@tyro_command("watch", "Write a GIF of a trained agent's lifetime in one task: jmeta watch DIR [--out FILE].")
def watch_command(
    run: RunArgument, out: Path | None = None, split: SplitOption = "held-out", seed: int = 0, trust: TrustOption = False
) -> int:
    """Draws the first and the last episode of a lifetime side by side, for the newest intact checkpoint of a run.

    Args:
      out: output file; watch.gif in the run directory by default, or here for an agent of the zoo.
      seed: seed of the task and of all that happens in it.
    """
    opened = load(run, trust=trust)
    tasks = opened.tasks.on_split(split)
    file = out or (Path() if is_zoo_name(run) else run) / "watch.gif"
    print(watch(opened.inner, tasks, opened.theta, evaluation_key(seed), protocol=opened.protocol, out=file))
    return 0
