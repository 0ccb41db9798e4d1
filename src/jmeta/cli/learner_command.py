"""Options of a command that begins with an algorithm and a task family, or with a recipe that names both."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import tyro

from jmeta import recipes
from jmeta.algorithms import ALGORITHMS
from jmeta.cli.arguments import HELP, begins_with_name, take_option
from jmeta.cli.console import say
from jmeta.cli.help import about, by_heading
from jmeta.cli.options import as_dataclass, check_known
from jmeta.cli.plain import TASK_PREFIX
from jmeta.recipes import NamedRecipe
from jmeta.registry import fields_of, find_algorithm, find_task, recipe, settings_from_json
from jmeta.tasks import TASKS
from jmeta.training.run_config import Recipe

NO_RECIPE, OWN = "none", "the algorithm's own"  # a value of --recipe, and the settings that it takes


class Parsed(NamedTuple):
    """What the words of a command say.

    Attributes:
      recipe: the algorithm and the task family with their settings.
      options: the options of the command itself.
    """

    recipe: Recipe
    options: Any


@dataclasses.dataclass(frozen=True)
class LearnerCommand:
    """A command whose options are settings of an algorithm (--FIELD), of a task (--task.FIELD) and of its own (--FIELD).

    Attributes:
      name: name of the command, such as "train".
      options: its own options with their defaults, a dataclass. A recipe's number of outer steps replaces ``num_steps``.
      required: how those of its own options that are required are written, such as "--seed N --out DIR".
    """

    name: str
    options: Any
    required: str

    @property
    def usage(self) -> str:
        """How the command is called with an algorithm."""
        return f"usage: jmeta {self.name} ALGORITHM --task TASK [--task.FIELD value] [--FIELD value] {self.required}".rstrip()

    @property
    def recipe_usage(self) -> str:
        """How the command is called with a recipe."""
        call = f"jmeta {self.name} --recipe NAME [--task.FIELD value] [--FIELD value] {self.required}".rstrip()
        return f"{call} (`jmeta list recipes` has the names)"

    def parse(self, args: list[str]) -> Parsed | None:
        """Parses algorithm and task first, or the recipe that names both, since they decide on the other options.

        Returns:
          What the words say; None if they only ask for help.

        Raises:
          ValueError: if an algorithm, a task or a recipe is missing or does not exist, or for an option that does not.
        """
        recipe_name, rest = take_option(args, "--recipe")
        if recipe_name is None and "--recipe" in args:
            raise ValueError(f"which recipe? usage: {self.recipe_usage}")
        if recipe_name is not None and recipe_name != NO_RECIPE:
            return self._parse_recipe(recipes.get(recipe_name), rest)
        if not begins_with_name(rest, "algorithm", f"{self.usage}; or {self.recipe_usage}", algorithms=ALGORITHMS, tasks=TASKS):
            return None
        algorithm_name, *rest = rest
        algorithm = find_algorithm(algorithm_name)
        task_name, rest = take_option(rest, "--task")
        if task_name is None:
            if set(HELP) & set(rest):
                print(f"tasks, each with settings of its own: {', '.join(TASKS)}\n")
                self._parse(algorithm_name, algorithm, "TASK", lambda: None, ["--help"])
            raise ValueError(f"which task? {self.usage}. There are: {', '.join(sorted(TASKS))}")
        named = None if recipe_name == NO_RECIPE else recipes.find(f"{algorithm_name}/{task_name}")
        parsed = self._parse(algorithm_name, algorithm, task_name, find_task(task_name), rest, named)
        if named is not None:
            say(f"settings that are not given are those of the recipe {named.name}; --recipe {NO_RECIPE} takes {OWN}")
        return parsed

    def _parse_recipe(self, named: NamedRecipe, args: list[str]) -> Parsed:
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
                f"--task and --recipe {named.name}: the recipe names the task, {task_name}; leave out --task, or leave out "
                "--recipe and give an algorithm"
            )
        return self._parse(algorithm_name, find_algorithm(algorithm_name), task_name, find_task(task_name), args, named)

    def _parse(
        self,
        algorithm_name: str,
        algorithm: Callable[..., Any],
        task_name: str,
        task_class: Callable[..., Any],
        args: list[str],
        named: NamedRecipe | None = None,
    ) -> Parsed:
        """Parses all options; defaults are those of the recipe."""
        check_known(args, algorithm_name, ("--", type(self.options)), ("--", algorithm), (TASK_PREFIX, task_class))
        prog, described = f"jmeta {self.name} {algorithm_name} --task {task_name}", about(algorithm)
        own, of_algorithm, of_task = self.options, {}, {}
        if named is not None:
            prog = f"jmeta {self.name} --recipe {named.name}"
            described = (
                f"The recipe {named.name} is {algorithm_name} on {task_name}; its settings are the defaults. With --recipe "
                f"{NO_RECIPE} they are {OWN}.\n\n{described}"
            )
            if hasattr(own, "num_steps"):
                own = dataclasses.replace(own, num_steps=named.num_steps)
            of_algorithm = settings_from_json(algorithm, named.recipe.algorithm_fields)
            of_task = settings_from_json(task_class, named.recipe.task_fields)
        headings = by_heading(algorithm)
        without_prefix: Any = tyro.conf.OmitArgPrefixes
        fields: list[Any] = [
            ("run", without_prefix[type(own)], dataclasses.field(default=own)),
            *(
                (heading, as_dataclass(heading, algorithm, names=names, defaults=of_algorithm))
                for heading, names in headings.items()
            ),
            ("task", as_dataclass("task", task_class, TASK_PREFIX, defaults=of_task)),
        ]
        joined = dataclasses.make_dataclass("Settings", fields, frozen=True, kw_only=True)
        if inspect.isclass(task_class):
            described += f"\n\nThe task, {task_name}: {about(task_class, TASK_PREFIX)}"
        parsed: Any = tyro.cli(joined, prog=prog, description=described, args=args)
        chosen = {name: value for heading in headings for name, value in fields_of(getattr(parsed, heading)).items()}
        settings = as_dataclass("algorithm", algorithm)(**chosen)
        return Parsed(recipe(algorithm_name, settings, task_name, parsed.task), parsed.run)
