"""The command line: ``jmeta train``, ``resume``, ``evaluate``, ``plot``, ``watch``, ``compare``, ``check`` and ``list``.

The options of an algorithm are its keyword arguments, and those of a task are its fields.
"""

import dataclasses
import inspect
import json
import re
import shlex
import shutil
import sys
import traceback
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import jax
import numpy as np
import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tyro.conf import Positional

from jmeta.algorithms import ALGORITHMS
from jmeta.cli.compare import compare_command
from jmeta.cli.errors import is_message, own_frame
from jmeta.cli.help import LISTS, about, by_heading, details, flag, overview, setting_texts
from jmeta.evaluation import Evaluation, evaluate, standard_error
from jmeta.evaluation.evaluate import EVALUATION_FOLD
from jmeta.evaluation.plots import plot_runs
from jmeta.evaluation.watch import watch
from jmeta.keys import as_key
from jmeta.outer.base import OuterLearner
from jmeta.references import Random
from jmeta.registry import OTHER_NAMES, build, fields_of, find_algorithm, find_task, nearest, recipe, recipe_of, settings
from jmeta.runs import learner_of, load, own_names, remember
from jmeta.tasks import TASKS, Split, TaskDistribution
from jmeta.testing import check_tasks
from jmeta.training import Recipe, RunDirectory, TrainResult, train
from jmeta.training.provenance import device, git_commit, versions
from jmeta.training.schema import misfit
from jmeta.types import Protocol

USAGE_ERROR, FAILURE = 2, 1
INTERRUPTED, TERMINATED = 130, 143  # 128 + the signal's number, as shells have it

OF_ONE_CALL = ("out", "resume", "from_run", "progress")  # options that a resume does not inherit
USER_ERRORS = (ValueError, OSError, ModuleNotFoundError, FloatingPointError)


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """Settings of a training run."""

    out: Path
    """run directory; must not exist yet, unless --resume"""
    seed: int = 0
    """seed of all random numbers of the run"""
    num_steps: int = 500
    """total number of outer steps"""
    resume: bool = False
    """continue the run in --out from its newest intact checkpoint"""
    from_run: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """directory of a run whose meta-parameters are fine-tuned, those of its newest intact checkpoint"""
    num_devices: int | None = None
    """number of local devices to spread the tasks over; all by default"""
    checkpoint_every: int = 100
    """outer steps between checkpoints"""
    keep: int = 3
    """number of checkpoints to keep, the newest ones"""
    continue_without_checkpoints: bool = False
    """warn and continue training if a checkpoint or metrics can't be written"""
    wandb_project: str | None = None
    """also log to this Weights & Biases project (needs the wandb extra)"""
    progress: bool = True
    """show progress on standard error"""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs one command and exits with its status."""
    args = list(sys.argv[1:] if argv is None else argv)
    commands: dict[str, Callable[[list[str]], int]] = {
        "train": _train,
        "resume": _resume,
        "evaluate": _evaluate,
        "plot": _plot,
        "watch": _watch,
        "compare": compare_command,
        "check": _check,
        "list": _list,
        "help": _help,
    }
    if not args or args[0] in ("-h", "--help"):
        print(_overview(commands))
        sys.exit(0 if args else USAGE_ERROR)
    if args[0] == "--version":
        print(f"jmeta {versions()['jmeta']}")
        sys.exit(0)
    name, *rest = args
    try:
        if (here := str(Path.cwd())) not in sys.path:
            sys.path.append(here)  # last, to import the user's own tasks; an installed script lacks this entry
        if name not in commands:
            raise ValueError(f"no command is called {name!r}; {nearest(name, commands)}")
        status = commands[name](rest)
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        sys.stderr.close()
        status = 0
    except KeyboardInterrupt:
        status = INTERRUPTED
    except Exception as error:
        if not is_message(error) and (own_frame(error) or not isinstance(error, USER_ERRORS) or isinstance(error, ValueError)):
            traceback.print_exc()
            _say_whose_it_is(error)
            sys.exit(FAILURE)
        Console(stderr=True).print(f"[bold red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        status = USAGE_ERROR if isinstance(error, ValueError) else FAILURE
    sys.exit(status)


def _say_whose_it_is(error: Exception) -> None:
    """Prints, after a traceback, where in the user's own code the error comes from, or that it is a fault of jmeta's."""
    console = Console(stderr=True)
    frame = own_frame(error) or (error.__cause__ and own_frame(error.__cause__))
    if frame:
        text = f"in your own code, {frame.filename}, line {frame.lineno}, in {frame.name}: {type(error).__name__}: {error}"
    else:
        text = f"{type(error).__name__} inside jmeta, not in your code: please report it with the lines above"
    console.print(f"[bold red]error[/] {escape(text)}", highlight=False, soft_wrap=True)


def _overview(commands: dict[str, Callable[[list[str]], int]]) -> str:
    lines = [f"  {name:<10}{inspect.getdoc(command).splitlines()[0]}" for name, command in commands.items()]  # type: ignore[union-attr]
    return (
        "usage: jmeta COMMAND ...\n\n"
        + "\n".join(lines)
        + "\n\n`jmeta COMMAND --help` shows its options; `jmeta train ALGORITHM --task TASK --help` lists all settings of both."
    )


# train and resume


def _train(args: list[str]) -> int:
    """Meta-train an algorithm on a task distribution: jmeta train ALGORITHM --task TASK --out DIR."""
    usage = "usage: jmeta train ALGORITHM --task TASK [--task.FIELD value] [--FIELD value] --seed N --out DIR"
    if not args or args[0].startswith("-"):
        if args and args[0] in ("-h", "--help"):
            print(f"{usage}\n\nalgorithms: {', '.join(ALGORITHMS)}\ntasks: {', '.join(TASKS)}")
            return 0
        raise ValueError(f"which algorithm? {usage}. There are: {', '.join(sorted(ALGORITHMS))}")
    algorithm_name, *rest = args
    algorithm = find_algorithm(algorithm_name)
    task_name, rest = _take_option(rest, "--task")
    if task_name is None:
        if {"-h", "--help"} & set(rest):
            print(f"tasks, each with settings of its own: {', '.join(TASKS)}\n")
            _parse(algorithm_name, algorithm, "TASK", lambda: None, ["--help"])
        raise ValueError(f"which task? {usage}. There are: {', '.join(sorted(TASKS))}")
    task_class = find_task(task_name)
    options = _parse(algorithm_name, algorithm, task_name, task_class, rest)
    run = options.run
    written = recipe(algorithm_name, options.algorithm, task_name, options.task)
    remember(RunDirectory(run.out), written)  # the command has named the code
    return _report_training(build(written), run, written)


def _resume(args: list[str]) -> int:
    """Continue a run from its newest intact checkpoint: jmeta resume DIR [--num-steps N]."""

    def resume(
        run: Positional[Path],
        num_steps: int | None = None,
        num_devices: int | None = None,
        anneal_steps: int | None = None,
        progress: bool = True,
        trust: bool = False,
    ) -> int:
        """Continues a run from its newest intact checkpoint, as if it had never stopped.

        Args:
          run: the run directory.
          num_steps: total number of outer steps, including those already taken; unchanged by default.
          num_devices: number of local devices to spread the tasks over; unchanged by default.
          anneal_steps: outer steps, counted from the first of the run, over which the learning rate falls to zero; unchanged
            by default.
          progress: show progress on standard error.
          trust: import a task or an algorithm of your own that the run names; needed if it was not trained on this machine.
        """
        directory = RunDirectory(run)
        outer, written = learner_of(run, trust=trust)
        asked = dataclasses.replace(recorded_options(directory), out=run, progress=progress)
        changes: dict[str, Any] = {"num_steps": num_steps, "num_devices": num_devices}
        chosen = dataclasses.replace(asked, **{name: value for name, value in changes.items() if value is not None})
        if anneal_steps is not None:
            fields = written.algorithm_fields | {"anneal_steps": anneal_steps}
            written = dataclasses.replace(written, algorithm_fields=fields)
            outer = build(written)
        return _report_training(outer, chosen, written)

    return tyro.cli(resume, prog="jmeta resume", args=args)


def recorded_options(run: RunDirectory) -> TrainOptions:
    """Returns the options to continue a run with, those of the command that trained it last.

    Raises:
      ValueError: if config.json is damaged.
    """
    options = run.read_config()["options"] or {}
    types = {name: kind for name, kind in get_type_hints(TrainOptions).items() if name not in OF_ONE_CALL}
    odd = sorted(options.keys() - types.keys())
    if wrong := misfit(options, types, set(), "options.") or (f"options has {odd[0]!r}" if odd else None):
        raise run.damaged_config(wrong)
    return TrainOptions(out=run.path, resume=True, **options)


def _report_training(outer: OuterLearner, options: TrainOptions, recipe: Recipe) -> int:
    theta = None
    if options.from_run is not None:
        before = recipe_of(RunDirectory(options.from_run).read_config(), str(options.from_run))
        named = set(own_names(before)) <= set(own_names(recipe))  # this command has named the same code
        theta = load(options.from_run, trust=named).state.theta
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
        options={name: value for name, value in fields_of(options).items() if name not in OF_ONE_CALL},
    )
    return _say_what_next(result, options)


def _say_what_next(result: TrainResult, options: TrainOptions) -> int:
    say = partial(Console(stderr=True).print, highlight=False, markup=False, soft_wrap=True)
    out = shlex.quote(str(options.out))
    if result.interrupted_by:
        say(f"continue with: jmeta resume {out}")
        return INTERRUPTED if result.interrupted_by == "SIGINT" else TERMINATED
    say(f"trained to step {result.step}; next: jmeta evaluate {out}")
    return 0


def _take_option(args: list[str], name: str) -> tuple[str | None, list[str]]:
    """Returns the value of ``name value`` or ``name=value``, or None without one, and the other arguments."""
    for index, (arg, value) in enumerate(zip(args, [*args[1:], "-"], strict=True)):
        if arg == name and not value.startswith("-"):
            return value, args[:index] + args[index + 2 :]
        if arg.startswith(f"{name}="):
            return arg.partition("=")[2], args[:index] + args[index + 1 :]
    return None, args


@dataclasses.dataclass(frozen=True)
class _Parsed:
    algorithm: Any
    task: Any
    run: TrainOptions


def _parse(
    algorithm_name: str, algorithm: Callable[..., Any], task_name: str, task_class: Callable[..., Any], args: list[str]
) -> _Parsed:
    """Parses the settings of algorithm (--FIELD), task (--task.FIELD) and run (--FIELD)."""
    _check_known(args, algorithm_name, ("--", TrainOptions), ("--", algorithm), ("--task.", task_class))
    headings = by_heading(algorithm)
    without_prefix: Any = tyro.conf.OmitArgPrefixes
    fields = [
        ("run", without_prefix[TrainOptions]),
        *((heading, _as_dataclass(heading, algorithm, names=names)) for heading, names in headings.items()),
        ("task", _as_dataclass("task", task_class, "--task.")),
    ]
    joined = dataclasses.make_dataclass("Settings", fields, frozen=True)
    described = about(algorithm)
    if inspect.isclass(task_class):
        described += f"\n\nThe task, {task_name}: {about(task_class, '--task.')}"
    parsed: Any = tyro.cli(
        joined,
        prog=f"jmeta train {algorithm_name} --task {task_name}",
        description=described,
        args=args,
    )
    chosen = {name: value for heading in headings for name, value in fields_of(getattr(parsed, heading)).items()}
    return _Parsed(_as_dataclass("algorithm", algorithm)(**chosen), parsed.task, parsed.run)


def _as_dataclass(name: str, thing: Callable[..., Any], prefix: str = "--", names: Collection[str] | None = None) -> type:
    """Returns keyword arguments of a function, or fields of a class, all by default, as a dataclass with the same help texts.

    With the prefix ``--``, options are not prefixed by the name of the group, so that ``agent.widths`` is ``--widths``. Fields of
    a setting that is itself a dataclass are prefixed by the name of the setting.
    """
    described = setting_texts(thing, prefix)
    fields: list[Any] = []
    for setting, parameter in settings(thing).items():
        if names is not None and setting not in names:
            continue
        annotation: Any = Annotated[parameter.annotation, tyro.conf.arg(help=described[setting], prefix_name=prefix != "--")]
        if parameter.default is inspect.Parameter.empty:
            fields.append((setting, annotation))
        else:  # a factory, since a dataclass takes no list as a default
            fields.append((setting, annotation, dataclasses.field(default_factory=partial(_same, parameter.default))))
    return dataclasses.make_dataclass(name, fields, frozen=True, kw_only=True)


def _same(value: Any) -> Any:
    return value


def _check_known(args: list[str], algorithm_name: str, *kinds: tuple[str, Any]) -> None:
    """Raises ValueError for an unknown option that other libraries use, and names the option of jmeta."""
    known = {flag(name, prefix)[2:] for prefix, thing in kinds for name in settings(thing)}
    for arg in args:
        option = arg.partition("=")[0]
        name = re.sub(r"^(task\.)?no-", r"\1", option[2:])
        spelled = {option[2:], name, option[2:].replace("_", "-"), name.replace("_", "-")}
        if not option.startswith("--") or spelled & {*known, "help"}:
            continue
        called = OTHER_NAMES.get(option[2:].lower().replace("_", "-"), ())
        if meant := [f"--{each}" for each in called if each in known]:
            raise ValueError(
                f"no option is called {option!r}; did you mean {' or '.join(meant)}? "
                f"`jmeta list {algorithm_name}` lists the settings"
            )


# evaluate


def _evaluate(args: list[str]) -> int:
    """Evaluate a trained agent on held-out tasks: jmeta evaluate DIR."""

    def evaluate_run(
        run: Positional[Path],
        num_tasks: int = 1000,
        split: Split = "held-out",
        json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
        seed: int = 0,
        num_segments: int | None = None,
        segment_length: int | None = None,
        num_streams: int | None = None,
        greedy: bool = False,
        step: int | None = None,
        progress: bool = True,
        trust: bool = False,
    ) -> int:
        """Evaluates a checkpoint of a run, the newest intact one by default.

        Args:
          run: the run directory.
          num_tasks: number of tasks to evaluate on, one lifetime in each.
          split: split to draw the tasks from; ood is out of distribution.
          json_file: also write the result to this JSON file.
          seed: seed of the tasks and of all that happens in them.
          num_segments: segments of a lifetime, with an adaptation between two segments; as in training by default.
          segment_length: environment steps of a segment, in each stream; as in training by default.
          num_streams: environments that run in parallel in each task; as in training by default.
          greedy: take the most likely action at every step, instead of a sampled one.
          step: outer step of the checkpoint; the newest intact one by default.
          progress: show progress on standard error.
          trust: import a task or an algorithm of your own that the run names; needed if it was not trained on this machine.
        """
        directory = RunDirectory(run)
        opened = load(run, step=step, trust=trust)
        outer, step = opened.outer, opened.step
        changes = {"num_segments": num_segments, "segment_length": segment_length, "num_streams": num_streams}
        protocol = outer.protocol._replace(**{name: value for name, value in changes.items() if value is not None})
        tasks = _split(outer.tasks, split)
        if json_file is not None and not json_file.parent.is_dir():
            raise ValueError(f"--json {json_file}: there is no directory {json_file.parent}")
        key = jax.random.fold_in(as_key(seed), EVALUATION_FOLD)
        living = partial(evaluate, key=key, num_tasks=num_tasks, progress=progress)
        result = living(opened.inner, tasks, opened.theta, protocol=protocol, greedy=greedy)
        random = living(
            Random(tasks.observation_size, tasks.action_space),
            tasks,
            (),
            protocol=Protocol(1, tasks.horizon, protocol.num_streams),
        )
        _print_evaluation(result, random, tasks, step)
        summary = result.summary() | {
            "random": {"episode_return": random.mean_return, "standard_error": random.summary()["standard_error"]},
            "run": str(directory.path),
            "outer_step": step,
            "seed": seed,
            "versions": versions(),
            "device": device(),
            "git_commit": git_commit(),
        }
        reference = tasks.reference_return(protocol.num_segments * protocol.segment_length)
        summary["reference"] = None if reference is None else reference._asdict()
        lifetime = "x".join(map(str, protocol))
        name = f"{split}-step{step}-seed{seed}-{num_tasks}tasks-{lifetime}{'-greedy' if greedy else ''}"
        evaluations = directory.path / "evaluations"
        evaluations.mkdir(exist_ok=True)
        for file in [evaluations / f"{name}.json", *([json_file] if json_file else [])]:
            file.write_text(json.dumps(summary, indent=2) + "\n")
        result.save(evaluations / f"{name}.npz")
        return 0

    return tyro.cli(evaluate_run, prog="jmeta evaluate", args=args)


def _split(tasks: TaskDistribution, split: Split) -> TaskDistribution:
    return {"train": lambda: tasks.train, "held-out": lambda: tasks.held_out, "ood": lambda: tasks.out_of_distribution}[split]()


def _print_evaluation(result: Evaluation, random: Evaluation, tasks: TaskDistribution, step: int) -> None:
    protocol = result.protocol
    say = partial(Console().print, highlight=False, soft_wrap=True)
    say(
        f"outer step {step}, {result.num_tasks} {result.split} tasks of {type(tasks).__name__}, a lifetime = "
        f"{protocol.num_segments} segment(s) x {protocol.segment_length} steps x {protocol.num_streams} stream(s)"
        f"{', most likely actions' if result.greedy else ''}"
    )
    table = Table("episode", "after env steps", "return", "± s.e.", *result.infos)
    means = [values.mean(0) for values in result.infos.values()]
    rows = zip(result.episode_env_steps, result.episode_returns.T, *means, strict=True)
    for index, (env_steps, returns, *infos) in enumerate(rows):
        numbers = (f"{x:.4f}" for x in (returns.mean(), standard_error(returns), *infos))
        table.add_row(str(index + 1), f"{env_steps:.0f}", *numbers)
    Console().print(table)
    say(f"return of a lifetime: {result.mean_return:.4f} ± {result.standard_error:.4f} (s.e.)")
    listed = result.episode_returns.sum(1).mean()
    if not np.isclose(listed, result.mean_return, rtol=1e-4):
        say(
            f"  (the episodes listed add up to {listed:.4f}: episodes may end early, and only the first "
            f"{protocol.segment_length // tasks.horizon} of a segment, which every stream completes, are listed; the return of "
            "the lifetime includes all episodes)"
        )
    first = result.episode_returns[:, 0].mean()
    say(f"first episode, before adapting: {first:.4f}, acting at random: {random.mean_return:.4f} per episode")
    reference = tasks.reference_return(protocol.num_segments * protocol.segment_length)
    if reference is not None:
        say(f"{reference.label}: {reference.value:.4f} per {reference.per}")


# plot, watch and list


def _plot(args: list[str]) -> int:
    """Draw learning and adaptation curves of runs: jmeta plot DIR ... [--out FILE]."""

    def plot(runs: Positional[tuple[Path, ...]], out: Path | None = None) -> int:
        """Draws the learning curve and the adaptation curve of each run into one PNG.

        Args:
          runs: run directories.
          out: output file; plot.png in the first run directory by default.
        """
        if not runs:
            raise ValueError("which runs? usage: jmeta plot DIR ...")
        print(plot_runs([RunDirectory(run) for run in runs], out or runs[0] / "plot.png"))
        return 0

    return tyro.cli(plot, prog="jmeta plot", args=args)


def _watch(args: list[str]) -> int:
    """Write a GIF of a trained agent's lifetime in one task: jmeta watch DIR [--out FILE]."""

    def watch_run(
        run: Positional[Path], out: Path | None = None, split: Split = "held-out", seed: int = 0, trust: bool = False
    ) -> int:
        """Draws the first and the last episode of a lifetime side by side, for the newest intact checkpoint of a run.

        Args:
          run: the run directory.
          out: output file; watch.gif in the run directory by default.
          split: split to draw the tasks from; ood is out of distribution.
          seed: seed of the task and of all that happens in it.
          trust: import a task or an algorithm of your own that the run names; needed if it was not trained on this machine.
        """
        opened = load(run, trust=trust)
        tasks = _split(opened.tasks, split)
        key = jax.random.fold_in(as_key(seed), EVALUATION_FOLD)
        print(watch(opened.inner, tasks, opened.theta, key, protocol=opened.protocol, out=out or run / "watch.gif"))
        return 0

    return tyro.cli(watch_run, prog="jmeta watch", args=args)


def _check(args: list[str]) -> int:
    """Check a task family for mistakes: jmeta check TASK, or module:Class for one of your own."""
    usage = "usage: jmeta check TASK [--FIELD value]; TASK is a name or, for one of your own, module:Class"
    if not args or args[0].startswith("-"):
        if args and args[0] in ("-h", "--help"):
            print(f"{usage}\n\ntasks: {', '.join(TASKS)}")
            return 0
        raise ValueError(f"which task? {usage}")
    name, *rest = args
    rest = [f"--{arg.removeprefix('--task.')}" if arg.startswith("--task.") else arg for arg in rest]
    task_class = find_task(name)
    chosen: Any = tyro.cli(_as_dataclass("task", task_class, "--"), prog=f"jmeta check {name}", args=rest)
    print(check_tasks(task_class(**fields_of(chosen))))
    return 0


def _list(args: list[str]) -> int:
    """List all algorithms and tasks, or the settings of one: jmeta list [NAME]."""

    def list_them(what: Positional[str] = "all") -> int:
        """Lists algorithms and tasks, or describes one of them and lists its settings.

        Args:
          what: "all", "algorithms", "tasks", "specs" (comparisons that come with jmeta), or the name of an algorithm or a task.
        """
        width = shutil.get_terminal_size((100, 24)).columns
        print(overview(what, width) if what in LISTS else details(what, min(width, 100)))
        return 0

    return tyro.cli(list_them, prog="jmeta list", args=args)


def _help(args: list[str]) -> int:
    """Show this overview, or the help of a command: jmeta help [COMMAND]."""
    if args and (args[0] in ALGORITHMS or args[0] in TASKS):
        return _list(args)
    main([*args[:1], "--help"])
    return 0


if __name__ == "__main__":
    main()
