"""``jmeta train``."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import tyro

from jmeta.algorithms import ALGORITHMS
from jmeta.cli.arguments import HELP, begins_with_name
from jmeta.cli.command import command
from jmeta.cli.help import TASK_PREFIX, about, by_heading
from jmeta.cli.options import as_dataclass, check_known
from jmeta.cli.train_options import TrainOptions
from jmeta.cli.training import run_training
from jmeta.registry import build, fields_of, find_algorithm, find_task, recipe
from jmeta.tasks import TASKS
from jmeta.training import RunDirectory
from jmeta.trust import remember

USAGE = "usage: jmeta train ALGORITHM --task TASK [--task.FIELD value] [--FIELD value] --seed N --out DIR"


@command("train", "Meta-train an algorithm on a task distribution: jmeta train ALGORITHM --task TASK --out DIR.")
def train_command(args: list[str]) -> int:
    """Parses algorithm and task first, since they decide on the other options."""
    if not begins_with_name(args, "algorithm", USAGE, algorithms=ALGORITHMS, tasks=TASKS):
        return 0
    algorithm_name, *rest = args
    algorithm = find_algorithm(algorithm_name)
    task_name, rest = _take_option(rest, "--task")
    if task_name is None:
        if set(HELP) & set(rest):
            print(f"tasks, each with settings of its own: {', '.join(TASKS)}\n")
            _parse(algorithm_name, algorithm, "TASK", lambda: None, ["--help"])
        raise ValueError(f"which task? {USAGE}. There are: {', '.join(sorted(TASKS))}")
    options = _parse(algorithm_name, algorithm, task_name, find_task(task_name), rest)
    written = recipe(algorithm_name, options.algorithm, task_name, options.task)
    remember(RunDirectory(options.run.out), written)  # the command has named the code
    return run_training(build(written), options.run, written)


def _take_option(args: list[str], name: str) -> tuple[str | None, list[str]]:
    """Returns the value of ``name value`` or ``name=value``, or None without one, and the other arguments."""
    for index, (arg, value) in enumerate(zip(args, [*args[1:], "-"], strict=True)):
        if arg == name and not value.startswith("-"):
            return value, args[:index] + args[index + 2 :]
        if arg.startswith(f"{name}="):
            return arg.partition("=")[2], args[:index] + args[index + 1 :]
    return None, args


class _Parsed(NamedTuple):
    algorithm: Any
    task: Any
    run: TrainOptions


def _parse(
    algorithm_name: str, algorithm: Callable[..., Any], task_name: str, task_class: Callable[..., Any], args: list[str]
) -> _Parsed:
    """Parses the settings of algorithm (--FIELD), task (--task.FIELD) and run (--FIELD)."""
    check_known(args, algorithm_name, ("--", TrainOptions), ("--", algorithm), (TASK_PREFIX, task_class))
    headings = by_heading(algorithm)
    without_prefix: Any = tyro.conf.OmitArgPrefixes
    fields = [
        ("run", without_prefix[TrainOptions]),
        *((heading, as_dataclass(heading, algorithm, names=names)) for heading, names in headings.items()),
        ("task", as_dataclass("task", task_class, TASK_PREFIX)),
    ]
    joined = dataclasses.make_dataclass("Settings", fields, frozen=True)
    described = about(algorithm)
    if inspect.isclass(task_class):
        described += f"\n\nThe task, {task_name}: {about(task_class, TASK_PREFIX)}"
    prog = f"jmeta train {algorithm_name} --task {task_name}"
    parsed: Any = tyro.cli(joined, prog=prog, description=described, args=args)
    chosen = {name: value for heading in headings for name, value in fields_of(getattr(parsed, heading)).items()}
    return _Parsed(as_dataclass("algorithm", algorithm)(**chosen), parsed.task, parsed.run)
