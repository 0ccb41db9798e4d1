"""Trains a learner as the options say; ``jmeta train`` and ``jmeta resume`` both end here."""

import shlex

from jmeta.cli.console import say
from jmeta.cli.status import after_signal
from jmeta.cli.train_options import TrainOptions, options_to_record
from jmeta.keys import as_key
from jmeta.outer.base import OuterLearner
from jmeta.registry import recipe_of
from jmeta.runs import load
from jmeta.training import Recipe, RunDirectory, TrainResult, train
from jmeta.trust import own_names
from jmeta.types import PyTree


def run_training(outer: OuterLearner, options: TrainOptions, recipe: Recipe) -> int:
    """Trains a learner, says what to do next, and returns the exit status.

    Args:
      outer: the learner.
      options: options of the run.
      recipe: the recipe that the learner was built from.
    """
    theta = _theta_to_tune(options, recipe)
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
        theta=theta,
        recipe=recipe,
        options=options_to_record(options),
    )
    return _say_what_next(result, options)


def _theta_to_tune(options: TrainOptions, recipe: Recipe) -> PyTree | None:
    """Returns the meta-parameters of the run that ``--from`` names, if it is given."""
    if options.from_run is None:
        return None
    before = recipe_of(RunDirectory(options.from_run).read_config(), str(options.from_run))
    named = set(own_names(before)) <= set(own_names(recipe))  # this command has named the same code
    return load(options.from_run, trust=named).theta


def _say_what_next(result: TrainResult, options: TrainOptions) -> int:
    out = shlex.quote(str(options.out))
    if result.interrupted_by:
        say(f"continue with: jmeta resume {out}")
        return after_signal(result.interrupted_by)
    say(f"trained to step {result.step}; next: jmeta evaluate {out}")
    return 0
