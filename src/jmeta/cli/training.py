"""Trains a learner as the options say; ``jmeta train`` and ``jmeta resume`` both end here."""

import shlex

from jmeta.cli.console import say
from jmeta.cli.fine_tuning import pretrained_of
from jmeta.cli.status import after_signal
from jmeta.cli.train_options import TrainOptions, options_to_record
from jmeta.keys import as_key
from jmeta.outer.base import OuterLearner
from jmeta.training import Recipe, TrainResult, train


def run_training(outer: OuterLearner, options: TrainOptions, recipe: Recipe) -> int:
    """Trains a learner, says what to do next, and returns the exit status.

    Args:
      outer: the learner.
      options: options of the run.
      recipe: the recipe that the learner was built from.
    """
    result = train(
        outer,
        as_key(options.seed),
        options.num_steps,
        out=options.out,
        resume=options.resume,
        num_devices=options.num_devices,
        checkpoint_every=options.checkpoint_every,
        keep=options.keep,
        continue_without_checkpoints=options.continue_without_checkpoints,
        wandb_project=options.wandb_project,
        progress=options.progress,
        theta=pretrained_of(options, outer, recipe),
        recipe=recipe,
        options=options_to_record(options),
    )
    return _say_what_next(result, options)


def _say_what_next(result: TrainResult, options: TrainOptions) -> int:
    out = shlex.quote(str(options.out))
    if result.interrupted_by:
        say(f"continue with: jmeta resume {out}")
        return after_signal(result.interrupted_by)
    say(f"trained to step {result.step}; next: jmeta evaluate {out}")
    return 0
