"""``jmeta train``."""

import tyro

from jmeta.cli.command import command
from jmeta.cli.learner_command import LearnerCommand
from jmeta.cli.train_options import TrainOptions
from jmeta.cli.training import run_training
from jmeta.registry import build
from jmeta.training import RunDirectory
from jmeta.trust import remember


@command("train", "Meta-train an algorithm on a task distribution: jmeta train ALGORITHM --task TASK --out DIR.")
def train_command(args: list[str]) -> int:
    """Builds the learner from the settings, trains it, and returns the exit status."""
    parsed = LearnerCommand("train", TrainOptions(out=tyro.MISSING), "--seed N --out DIR").parse(args)
    if parsed is None:
        return 0
    remember(RunDirectory(parsed.options.out), parsed.recipe)  # the command has named the code
    return run_training(build(parsed.recipe), parsed.options, parsed.recipe)
