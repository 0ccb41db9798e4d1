"""``jmeta export``."""

from pathlib import Path
from typing import Annotated

import tyro

from jmeta.agent.agent import PLATFORMS
from jmeta.cli.arguments import RunArgument, TrustOption
from jmeta.cli.command import tyro_command
from jmeta.runs import load


@tyro_command("export", "Write a trained agent to a single file: jmeta export DIR --out FILE.")
def export_command(
    run: RunArgument,
    out: Path,
    step: int | None = None,
    platforms: Annotated[tuple[str, ...], tyro.conf.arg(help="platforms that the agent can run on.")] = PLATFORMS,
    num_segments: int | None = None,
    trust: TrustOption = False,
) -> int:
    """Writes the agent of a checkpoint to a file, which ``jmeta act`` and ``jmeta.load_agent`` read.

    Args:
      out: the file to write; its name usually ends with .jmeta.
      step: outer step of the checkpoint; the newest intact one by default.
      num_segments: segments of a lifetime, with an adaptation after each but the last; as many as in training by default.
    """
    agent = load(run, step=step, trust=trust).agent(num_segments=num_segments)
    agent.save(out, platforms=platforms)
    print(f"{out}: {out.stat().st_size / 1024:.0f} kB, for {', '.join(platforms)}; next: jmeta act {out}")
    return 0
