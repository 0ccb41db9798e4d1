"""The run that ``jmeta train --from`` names: its meta-parameters, and what of its settings differs from the new ones."""

from typing import Any

import jax

from jmeta.cli.console import say
from jmeta.cli.help import by_heading, default_text
from jmeta.cli.plain import TASK_PREFIX, flag
from jmeta.cli.train_options import TrainOptions
from jmeta.inner.base import InnerLearner
from jmeta.outer.base import OuterLearner
from jmeta.registry import find_algorithm
from jmeta.runs import opened_run
from jmeta.training import Pretrained, Recipe
from jmeta.training.initial_theta import checked_theta
from jmeta.training.provenance import describe
from jmeta.trust import own_names


def pretrained_of(options: TrainOptions, outer: OuterLearner, recipe: Recipe) -> Pretrained | None:
    """Returns the meta-parameters of the run that ``--from`` names, or None without it.

    Args:
      options: options of the new run.
      outer: its learner.
      recipe: the recipe that the learner was built from.

    Raises:
      ValueError: if they do not fit the learner. The message lists the leaves, and the settings that differ.
    """
    if options.from_run is None:
        if options.from_step is not None:
            raise ValueError(f"--from-step {options.from_step}: it belongs to --from DIR, the run to fine-tune")
        return None
    opened = opened_run(options.from_run, step=options.from_step, named=own_names(recipe))
    opened.pretrained.check_units(describe(outer))
    before = Recipe(**opened.config["recipe"])
    differences = [*_spaces(opened.inner, outer.inner), *_settings(before, recipe)]
    template = jax.eval_shape(outer.init, jax.random.key(0)).theta
    try:
        checked_theta(outer.inner, opened.pretrained.theta, template, f"theta of {options.from_run}, step {opened.step},")
    except ValueError as error:
        raise ValueError(f"{error}\n{_remedy(before, recipe, differences)}") from None
    say(f"begins with theta of {options.from_run}, step {opened.step}: {before.algorithm} on {before.task}")
    if of_agent := _settings(before, recipe, tasks=False):
        say(f"its agent had other settings: {'; '.join(of_agent)}")
    return opened.pretrained


def _remedy(before: Recipe, now: Recipe, differences: list[str]) -> str:
    """Returns what differs between the two runs, and what to do."""
    lines = ["what differs:", *(f"  {each}" for each in differences)] if differences else []
    if before.algorithm == now.algorithm:
        remedy = "give the settings of that run, or train anew without --from"
    else:
        remedy = (
            f"the agents of {before.algorithm} and {now.algorithm} may have other parts whatever their settings: train "
            f"{before.algorithm}, or train anew without --from"
        )
    return "\n".join([*lines, remedy])


def _spaces(there: InnerLearner, here: InnerLearner) -> list[str]:
    """Returns what differs in what the agents observe and do."""
    pairs = {
        "observations": (there.observation_size, here.observation_size),
        "actions": (there.action_space, here.action_space),
    }
    return [f"{name}: {old} there, {new} here" for name, (old, new) in pairs.items() if old != new]


def _settings(there: Recipe, here: Recipe, *, tasks: bool = True) -> list[str]:
    """Returns the settings of the agent, and those of the tasks, that both recipes have and that differ."""
    lines = []
    if there.algorithm != here.algorithm and tasks:
        lines.append(f"algorithm: {there.algorithm} there, {here.algorithm} here")
    of_agent = set(by_heading(find_algorithm(here.algorithm)).get("agent", ()))
    lines += _differing(there.algorithm_fields, here.algorithm_fields, "--", of_agent)
    if tasks:
        if there.task != here.task:
            lines.append(f"tasks: {there.task} there, {here.task} here")
        else:
            lines += _differing(there.task_fields, here.task_fields, TASK_PREFIX, set(here.task_fields))
    return lines


def _differing(there: dict[str, Any], here: dict[str, Any], prefix: str, names: set[str]) -> list[str]:
    return [
        f"{flag(name, prefix)}: {default_text(there[name])} there, {default_text(here[name])} here"
        for name in here
        if name in names and name in there and there[name] != here[name]
    ]
