"""The command line: the commands of ``jmeta``, such as ``jmeta train`` and ``jmeta evaluate``.

The options of an algorithm are its keyword arguments, and those of a task are its fields. So the options of ``train`` and
``check`` depend on the names that come before them. Each of the other commands is a function from which tyro makes the options.
``tyro.extras.SubcommandApp`` does not dispatch them, since it builds the options of all commands before it reads a name, and says
nothing of the nearest command to one that does not exist.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from jmeta.algorithms import ALGORITHMS
from jmeta.cli.act import act_command
from jmeta.cli.arguments import HELP
from jmeta.cli.check import check_command
from jmeta.cli.command import command
from jmeta.cli.compare import compare_command
from jmeta.cli.errors import report
from jmeta.cli.evaluate import evaluate_command
from jmeta.cli.export import export_command
from jmeta.cli.list import list_command
from jmeta.cli.plan import plan_command
from jmeta.cli.plot import plot_command
from jmeta.cli.resume import resume_command
from jmeta.cli.status import INTERRUPTED, USAGE_ERROR
from jmeta.cli.train import train_command
from jmeta.cli.tune import tune_command
from jmeta.cli.watch import watch_command
from jmeta.registry import nearest
from jmeta.tasks import TASKS
from jmeta.training.provenance import versions


def main(argv: Sequence[str] | None = None) -> None:
    """Runs one command and exits with its status."""
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] in HELP:
        print(_overview())
        sys.exit(0 if args else USAGE_ERROR)
    if args[0] == "--version":
        print(f"jmeta {versions()['jmeta']}")
        sys.exit(0)
    name, *rest = args
    try:
        if (here := str(Path.cwd())) not in sys.path:
            sys.path.append(here)  # last, to import the user's own tasks; an installed script lacks this entry
        if name not in COMMANDS:
            raise ValueError(f"no command is called {name!r}; {nearest(name, COMMANDS)}")
        status = COMMANDS[name].run(rest)
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        sys.stderr.close()
        status = 0
    except KeyboardInterrupt:
        status = INTERRUPTED
    except Exception as error:
        status = report(error)
    sys.exit(status)


@command("help", "Show this overview, or the help of a command: jmeta help [COMMAND].")
def help_command(args: list[str]) -> int:
    """Describes an algorithm, a task or a recipe as ``jmeta list`` does, since their names are not those of commands."""
    if args and (args[0] in ALGORITHMS or args[0] in TASKS or set(":/") & set(args[0])):
        return list_command.run(args)
    main([*args[:1], "--help"])
    return 0


COMMANDS = {
    each.name: each
    for each in (
        train_command,
        resume_command,
        evaluate_command,
        plot_command,
        watch_command,
        export_command,
        act_command,
        compare_command,
        tune_command,
        check_command,
        plan_command,
        list_command,
        help_command,
    )
}


def _overview() -> str:
    lines = [f"  {each.name:<10}{each.summary}" for each in COMMANDS.values()]
    return (
        "usage: jmeta COMMAND ...\n\n"
        + "\n".join(lines)
        + "\n\n`jmeta COMMAND --help` shows its options; `jmeta train ALGORITHM --task TASK --help` lists all settings of both."
    )


if __name__ == "__main__":
    main()
