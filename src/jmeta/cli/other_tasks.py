"""Another task family than that of a run, ``--task FAMILY --task.FIELD value``: its options, its fit and its label."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

import tyro

from jmeta.cli.arguments import take_option
from jmeta.cli.command import Command, command
from jmeta.cli.help import about
from jmeta.cli.options import as_dataclass
from jmeta.cli.plain import TASK_PREFIX
from jmeta.loaded_run import LoadedRun
from jmeta.registry import fields_of, find_task, to_json
from jmeta.tasks import TaskDistribution
from jmeta.tasks.wrapped import WrappedTasks

Options = TypeVar("Options")


@dataclasses.dataclass(frozen=True)
class TaskFamily:
    """A task family that the command line names.

    Attributes:
      name: its name, ``module:Class`` for one of the user's own.
      fields: its settings, as JSON.
      tasks: the distribution.
    """

    name: str
    fields: dict[str, Any]
    tasks: TaskDistribution

    @property
    def label(self) -> str:
        """The name and a hash of the settings, for file names: families that differ in either have different labels."""
        digest = hashlib.sha256(json.dumps([self.name, self.fields], sort_keys=True).encode()).hexdigest()
        return f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', self.name)}-{digest[:8]}"

    @property
    def described(self) -> dict[str, Any]:
        """Name and settings, for the summary of an evaluation."""
        return {"name": self.name, "settings": self.fields}


def family_of(opened: LoadedRun) -> TaskFamily:
    """Returns the task family that a run was trained on."""
    recipe = opened.config["recipe"]
    return TaskFamily(recipe["task"], recipe["task_fields"], opened.tasks)


def tasks_of(opened: LoadedRun, chosen: TaskFamily | None) -> tuple[TaskFamily, bool]:
    """Returns the task family to evaluate in, and whether it is another one than that of the run.

    Args:
      opened: the run.
      chosen: the family that the command names; that of the run by default.

    Raises:
      ValueError: if the agent of the run can't act in the chosen family.
    """
    own = family_of(opened)
    if chosen is None:
        return own, False
    trained_on = opened.tasks.tasks if isinstance(opened.tasks, WrappedTasks) else opened.tasks
    if chosen.tasks == trained_on:
        return own, False
    tasks = chosen.tasks
    if isinstance(opened.tasks, WrappedTasks):
        if type(tasks) is not type(trained_on):
            raise ValueError(
                f"--task {chosen.name}: the agent was trained on {type(opened.tasks).__name__} of {own.name}, whose observations "
                f"have another meaning in another family: give --task {own.name}, with other settings"
            )
        tasks = dataclasses.replace(opened.tasks, tasks=tasks)
    there, here = _spaces(opened.tasks), _spaces(tasks)
    if there != here:
        raise ValueError(
            f"--task {chosen.name}: the agent was trained on {own.name} with {there}, but {chosen.name} has {here}: choose a "
            f"family, or settings of it ({TASK_PREFIX}FIELD), with the same observations and actions"
        )
    return dataclasses.replace(chosen, tasks=tasks), True


def task_command(
    name: str, summary: str, options: type[Options]
) -> Callable[[Callable[[Options, TaskFamily | None], int]], Command]:
    """Makes a command of a function of its options, and of the task family that ``--task`` names.

    Args:
      name: the word after ``jmeta``.
      summary: its line in the overview.
      options: dataclass of the options.
    """

    def decorate(function: Callable[[Options, TaskFamily | None], int]) -> Command:
        def run(args: list[str]) -> int:
            return function(*_parse(f"jmeta {name}", options, args))

        return command(name, summary)(run)

    return decorate


def _parse(prog: str, options: type[Options], args: list[str]) -> tuple[Options, TaskFamily | None]:
    """Parses the name of the family first, since it decides on the options."""
    name, rest = take_option(args, "--task")
    if name is None:
        if settings := [arg for arg in rest if arg.startswith(TASK_PREFIX)]:
            raise ValueError(f"{settings[0]}: it is a setting of a task family, so name the family too: --task FAMILY")
        return tyro.cli(options, prog=prog, args=rest), None
    kind = find_task(name)
    without_prefix: Any = tyro.conf.OmitArgPrefixes
    fields = [("options", without_prefix[options]), ("task", as_dataclass("task", kind, TASK_PREFIX))]
    joined = dataclasses.make_dataclass("Settings", fields, frozen=True, kw_only=True)
    described = f"{options.__doc__}\n\nThe task family, {name}: {about(kind, TASK_PREFIX)}"
    parsed: Any = tyro.cli(joined, prog=f"{prog} --task {name}", description=described, args=rest)
    chosen = fields_of(parsed.task)
    written = {field: to_json(value, f"{TASK_PREFIX}{field}") for field, value in chosen.items()}
    return parsed.options, TaskFamily(name, written, kind(**chosen))


def _spaces(tasks: TaskDistribution) -> str:
    image = "" if tasks.image_shape is None else f" (images of shape {tasks.image_shape})"
    return f"observations of size {tasks.observation_size}{image} and actions {tasks.action_space}"
