"""``jmeta resume``."""

import dataclasses

from jmeta.cli.arguments import RunArgument, TrustOption, given
from jmeta.cli.command import tyro_command
from jmeta.cli.train_options import recorded_options
from jmeta.cli.training import run_training
from jmeta.registry import build
from jmeta.runs import learner_of
from jmeta.training import RunDirectory


@tyro_command("resume", "Continue a run from its newest intact checkpoint: jmeta resume DIR [--num-steps N].")
def resume_command(
    run: RunArgument,
    num_steps: int | None = None,
    num_devices: int | None = None,
    anneal_steps: int | None = None,
    progress: bool = True,
    trust: TrustOption = False,
) -> int:
    """Continues a run from its newest intact checkpoint, as if it had never stopped.

    Args:
      num_steps: total number of outer steps, including those already taken; unchanged by default.
      num_devices: number of local devices to spread the tasks over; unchanged by default.
      anneal_steps: outer steps, counted from the first of the run, over which the learning rate falls to zero; unchanged
        by default.
      progress: show progress on standard error.
    """
    directory = RunDirectory(run)
    outer, written = learner_of(run, trust=trust)
    asked = dataclasses.replace(recorded_options(directory), out=run, progress=progress)
    chosen = dataclasses.replace(asked, **given(num_steps=num_steps, num_devices=num_devices))
    if anneal_steps is not None:
        fields = written.algorithm_fields | {"anneal_steps": anneal_steps}
        written = dataclasses.replace(written, algorithm_fields=fields)
        outer = build(written)
    return run_training(outer, chosen, written)
