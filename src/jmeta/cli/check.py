"""``jmeta check``."""

from typing import Any

import tyro

from jmeta.cli.arguments import begins_with_name
from jmeta.cli.command import command
from jmeta.cli.options import as_dataclass
from jmeta.cli.plain import TASK_PREFIX
from jmeta.registry import fields_of, find_task
from jmeta.tasks import TASKS
from jmeta.testing import check_tasks

USAGE = "usage: jmeta check TASK [--FIELD value]; TASK is a name or, for one of your own, module:Class"


@command("check", "Check a task family for mistakes: jmeta check TASK, or module:Class for one of your own.")
def check_command(args: list[str]) -> int:
    """Parses the task first, since it decides on the options; ``--task.FIELD`` is the same as ``--FIELD``."""
    if not begins_with_name(args, "task", USAGE, tasks=TASKS):
        return 0
    name, *rest = args
    rest = [f"--{arg.removeprefix(TASK_PREFIX)}" if arg.startswith(TASK_PREFIX) else arg for arg in rest]
    task_class = find_task(name)
    chosen: Any = tyro.cli(as_dataclass("task", task_class, "--"), prog=f"jmeta check {name}", args=rest)
    print(check_tasks(task_class(**fields_of(chosen))))
    return 0
