"""``jmeta train``."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import tyro

from jmeta import recipes
from jmeta.algorithms import ALGORITHMS
from jmeta.cli.arguments import HELP, begins_with_name, take_option
from jmeta.cli.command import command
from jmeta.cli.console import say
from jmeta.cli.help import about, by_heading
from jmeta.cli.options import as_dataclass, check_known
from jmeta.cli.plain import TASK_PREFIX
from jmeta.cli.train_options import TrainOptions
from jmeta.cli.training import run_training
from jmeta.recipes import NamedRecipe
from jmeta.registry import build, fields_of, find_algorithm, find_task, recipe, settings_from_json
from jmeta.tasks import TASKS
from jmeta.training import RunDirectory
from jmeta.trust import remember

USAGE = "usage: jmeta train ALGORITHM --task TASK [--task.FIELD value] [--FIELD value] --seed N --out DIR"
NO_RECIPE = "none"  # value of --recipe
RECIPE_USAGE = "jmeta train --recipe NAME [--task.FIELD value] [--FIELD value] --out DIR (`jmeta list recipes` has the names)"


@command("train", "Meta-train an algorithm on a task distribution: jmeta train ALGORITHM --task TASK --out DIR.")
def train_command(args: list[str]) -> int:
    """Parses algorithm and task first, or the recipe that names both, since they decide on the other options."""
    recipe_name, rest = take_option(args, "--recipe")
    if recipe_name is None and "--recipe" in args:
        raise ValueError(f"which recipe? usage: {RECIPE_USAGE}")
    if recipe_name is not None and recipe_name != NO_RECIPE:
        return _train(_parse_recipe(recipes.get(recipe_name), rest))
    if not begins_with_name(rest, "algorithm", f"{USAGE}; or {RECIPE_USAGE}", algorithms=ALGORITHMS, tasks=TASKS):
        return 0
    algorithm_name, *rest = rest
    algorithm = find_algorithm(algorithm_name)
    task_name, rest = take_option(rest, "--task")
    if task_name is None:
        if set(HELP) & set(rest):
            print(f"tasks, each with settings of its own: {', '.join(TASKS)}\n")
            _parse(algorithm_name, algorithm, "TASK", lambda: None, ["--help"])
        raise ValueError(f"which task? {USAGE}. There are: {', '.join(sorted(TASKS))}")
    named = None if recipe_name == NO_RECIPE else recipes.find(f"{algorithm_name}/{task_name}")
    parsed = _parse(algorithm_name, algorithm, task_name, find_task(task_name), rest, named)
    if named is not None:
        say(f"settings that are not given are those of the recipe {named.name}; --recipe {NO_RECIPE} takes the algorithm's own")
    return _train(parsed)


def _train(parsed: "_Parsed") -> int:
    """Builds the learner from the settings, trains it, and returns the exit status."""
    written = recipe(parsed.algorithm_name, parsed.algorithm, parsed.task_name, parsed.task)
    remember(RunDirectory(parsed.run.out), written)  # the command has named the code
    return run_training(build(written), parsed.run, written)


def _parse_recipe(named: NamedRecipe, args: list[str]) -> "_Parsed":
    """Parses the options that follow a recipe, whose settings and number of outer steps are the defaults.

    Raises:
      ValueError: if the options name an algorithm or a task, which the recipe does too.
    """
    algorithm_name, task_name = named.recipe.algorithm, named.recipe.task
    if args and not args[0].startswith("-"):
        raise ValueError(
            f"{args[0]} and --recipe {named.name}: the recipe names the algorithm, {algorithm_name}; leave out {args[0]}, or "
            "leave out --recipe and give --task"
        )
    if any(arg.partition("=")[0] == "--task" for arg in args):
        raise ValueError(
            f"--task and --recipe {named.name}: the recipe names the task, {task_name}; leave out --task, or leave out --recipe "
            "and give an algorithm"
        )
    return _parse(algorithm_name, find_algorithm(algorithm_name), task_name, find_task(task_name), args, named)


class _Parsed(NamedTuple):
    algorithm_name: str
    algorithm: Any
    task_name: str
    task: Any
    run: TrainOptions


def _parse(
    algorithm_name: str,
    algorithm: Callable[..., Any],
    task_name: str,
    task_class: Callable[..., Any],
    args: list[str],
    named: NamedRecipe | None = None,
) -> _Parsed:
    """Parses the settings of algorithm (--FIELD), task (--task.FIELD) and run (--FIELD); defaults are those of the recipe."""
    check_known(args, algorithm_name, ("--", TrainOptions), ("--", algorithm), (TASK_PREFIX, task_class))
    prog, described = f"jmeta train {algorithm_name} --task {task_name}", about(algorithm)
    of_run, of_algorithm, of_task = TrainOptions(out=tyro.MISSING), {}, {}
    if named is not None:
        prog = f"jmeta train --recipe {named.name}"
        described = (
            f"The recipe {named.name} is {algorithm_name} on {task_name}; its settings are the defaults. With --recipe "
            f"{NO_RECIPE} they are the algorithm's own.\n\n{described}"
        )
        of_run = dataclasses.replace(of_run, num_steps=named.num_steps)
        of_algorithm = settings_from_json(algorithm, named.recipe.algorithm_fields)
        of_task = settings_from_json(task_class, named.recipe.task_fields)
    headings = by_heading(algorithm)
    without_prefix: Any = tyro.conf.OmitArgPrefixes
    fields: list[Any] = [
        ("run", without_prefix[TrainOptions], dataclasses.field(default=of_run)),
        *((heading, as_dataclass(heading, algorithm, names=names, defaults=of_algorithm)) for heading, names in headings.items()),
        ("task", as_dataclass("task", task_class, TASK_PREFIX, defaults=of_task)),
    ]
    joined = dataclasses.make_dataclass("Settings", fields, frozen=True, kw_only=True)
    if inspect.isclass(task_class):
        described += f"\n\nThe task, {task_name}: {about(task_class, TASK_PREFIX)}"
    parsed: Any = tyro.cli(joined, prog=prog, description=described, args=args)
    chosen = {name: value for heading in headings for name, value in fields_of(getattr(parsed, heading)).items()}
    return _Parsed(algorithm_name, as_dataclass("algorithm", algorithm)(**chosen), task_name, parsed.task, parsed.run)
