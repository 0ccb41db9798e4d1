"""A comparison as a TOML file, checked in full before anything is compiled."""

import dataclasses
import importlib.resources
import itertools
import re
import tomllib
import typing
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, get_origin

from jmeta import references
from jmeta.algorithms import ALGORITHMS
from jmeta.comparison.plan import Budget, Cell, Comparison, HandWritten
from jmeta.inner.base import InnerLearner
from jmeta.ranges import plain
from jmeta.registry import as_tuples, checked_learner, find_algorithm, find_task, nearest, settings
from jmeta.tasks import TASKS, TaskDistribution
from jmeta.training.schema import fits, say_type
from jmeta.types import Protocol

BASELINES: dict[str, Callable[..., InnerLearner]] = {
    "bayes-optimal-grid-navi": references.BayesOptimalGridNavi,
    "beb": references.BEB,
    "epsilon-greedy": references.EpsilonGreedy,
    "gittins-index": references.GittinsIndex.create,
    "greedy": references.Greedy,
    "opsrl": references.OPSRL,
    "optimistic-thompson-sampling": references.OptimisticThompsonSampling,
    "psrl": references.PSRL,
    "random": references.Random,
    "replanning-index": references.ReplanningIndex,
    "thompson-sampling": references.ThompsonSampling,
    "ucb1": references.UCB1,
    "ucrl2": references.UCRL2,
}
"""Hand-written learners, which need no training."""

READ_OFF: dict[str, Callable[[TaskDistribution], Any]] = {
    "observation_size": lambda tasks: tasks.observation_size,
    "action_space": lambda tasks: tasks.action_space,
    "horizon": lambda tasks: tasks.horizon,
    "num_pulls": lambda tasks: tasks.lifetime_length,
    "num_episodes": lambda tasks: tasks.lifetime_length // tasks.horizon,
}
"""Settings of hand-written learners that are read off the task. The first two can't be given; the others are optional."""

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")  # names of tables become file names


@dataclasses.dataclass(frozen=True)
class _Top:
    """Top-level keys of the file."""

    name: str
    seeds: int
    env_steps: int | None
    wall_clock_seconds: float | None
    num_test_tasks: int
    seed: int
    reference: str | None
    tasks: dict[str, Any]
    algorithms: dict[str, Any]


DEFAULTS: dict[str, Any] = {"num_test_tasks": 1000, "seed": 0, "env_steps": None, "wall_clock_seconds": None, "reference": None}
SPECIAL = {
    "algorithm": str,
    "tasks": list[str],
    "evaluation": dict[str, int],
}  # keys of an algorithm's table that are not its settings


class _Entry(NamedTuple):
    """An algorithm's table."""

    name: str
    kind: str
    build: Callable[..., Any]
    fields: dict[str, Any]
    varied: dict[str, list[Any]]
    tasks: list[str] | None  # None for all
    evaluation: dict[str, int]


SPECS = Path(str(importlib.resources.files("jmeta"))) / "specs"
"""Comparisons that come with jmeta, ``benchmarks/specs`` in its repository."""


def find_spec(spec: Path) -> Path:
    """Returns the file itself, or the one of that name that comes with jmeta.

    Raises:
      FileNotFoundError: if there is neither; the message names the nearest one.
    """
    if spec.exists() or spec.suffix or len(spec.parts) != 1:
        return spec
    shipped = {file.stem: file for file in SPECS.glob("*.toml")}
    if spec.name not in shipped:
        raise FileNotFoundError(
            f"there is no file {spec}, and no comparison of that name comes with jmeta; {nearest(spec.name, shipped)}"
        )
    return shipped[spec.name]


def read_spec(file: Path) -> Comparison:
    """Returns the comparison that a TOML file describes, with all its learners built.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is not TOML, or anything in it is wrong or missing.
    """
    try:
        spec = tomllib.loads(file.read_text())
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"there is no file {file}: give a TOML file, or the name of one that comes with jmeta, such as first"
        ) from error
    except ValueError as error:
        raise ValueError(f"{file} is not TOML: {error}") from error
    try:
        return parse_spec(spec)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def parse_spec(spec: dict[str, Any]) -> Comparison:
    """Returns the comparison that a specification describes; ``random`` is added to the algorithms if it is not among them.

    Raises:
      ValueError: as ``read_spec``.
    """
    annotations = typing.get_type_hints(_Top)
    for key, value in spec.items():
        _check_key(key, value, annotations, "")
    if missing := [key for key in annotations if key not in spec and key not in DEFAULTS]:
        raise ValueError(f"{missing[0]} is missing: give {_example(missing[0])}")
    top = _Top(**DEFAULTS | spec)
    for table in ("tasks", "algorithms"):
        if not getattr(top, table):
            raise ValueError(f"there are no {table}: give at least one table, as in {_example(table)}")
    budget = Budget(top.env_steps, top.wall_clock_seconds)
    tasks = {name: _task(name, table) for name, table in top.tasks.items()}
    entries = [_entry(name, table, tasks) for name, table in top.algorithms.items()]
    if not any(entry.kind == "random" for entry in entries):
        if "random" in top.algorithms:
            raise ValueError(
                '[algorithms.random] is not the algorithm "random", which scores are normalised by: rename the table'
            )
        entries.append(_entry("random", {"algorithm": "random"}, tasks))
    if top.reference is not None and top.reference not in (names := [entry.name for entry in entries]):
        raise ValueError(f"reference: no table of algorithms is called {top.reference!r}; {nearest(top.reference, names)}")
    cells = tuple(
        _cell(entry, name, distribution)
        for name, distribution in tasks.items()
        for entry in entries
        if entry.tasks is None or name in entry.tasks
    )
    return Comparison(top.name, cells, top.seeds, budget, top.num_test_tasks, top.seed, top.reference)


def _task(name: str, table: Any) -> TaskDistribution:
    where = f"[tasks.{name}]"
    _check_table(where, name, table, "task", TASKS)
    found = find_task(table["task"])
    annotations = {key: plain(parameter.annotation) for key, parameter in settings(found).items()}
    fields = {key: value for key, value in table.items() if key != "task"}
    for key, value in fields.items():
        _check_key(key, value, annotations, where)
        if isinstance(value, dict) and get_origin(annotations[key]) is tuple:
            fields[key] = list(value.items())
    try:
        return found(**as_tuples(fields))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _entry(name: str, table: Any, tasks: dict[str, TaskDistribution]) -> _Entry:
    where = f"[algorithms.{name}]"
    known: dict[str, Callable[..., Any]] = {**ALGORITHMS, **BASELINES}
    _check_table(where, name, table, "algorithm", known)
    kind = table["algorithm"]
    if kind in known:
        make = known[kind]
    elif ":" in kind:
        make = find_algorithm(kind)
    else:
        raise ValueError(
            f"{where}: no algorithm is called {kind!r}; {nearest(kind, known)}; or one of your own as module:function"
        )
    parameters = settings(make)
    annotations = {k: plain(p.annotation) for k, p in parameters.items() if k not in ("observation_size", "action_space")}
    for key in ("tasks", "evaluation"):
        if key in table:
            _check_key(key, table[key], SPECIAL, where)
    varied = {}
    for key, value in table.items():
        if key in SPECIAL:
            continue
        annotation = annotations.get(key)
        if isinstance(value, list) and annotation is not None and not fits(tuple(value), annotation):
            if not (value and all(fits(item, annotation) for item in value)):
                raise ValueError(f"{where}: {key}={value!r} is not {say_type(annotation)}, nor a list of such values")
            if twice := [item for index, item in enumerate(value) if item in value[:index]]:
                raise ValueError(f"{where}: {key} has {twice[0]} twice: give each value once")
            varied[key] = value
        else:
            _check_key(key, value, annotations, where)
    for task in table.get("tasks", []):
        if task not in tasks:
            raise ValueError(f"{where}: tasks: there is no [tasks.{task}]; {nearest(task, tasks)}")
    for key in table.get("evaluation", {}):
        if key not in Protocol._fields:
            raise ValueError(f"{where}: evaluation has no field {key!r}; {nearest(key, Protocol._fields)}")
    fields = {key: value for key, value in table.items() if key not in SPECIAL and key not in varied}
    return _Entry(name, kind, make, fields, varied, table.get("tasks"), table.get("evaluation", {}))


def _cell(entry: _Entry, name: str, tasks: TaskDistribution) -> Cell:
    """Returns a cell with a variant for each combination of the values of the varied settings."""

    def learner(fields: dict[str, Any]) -> Any:
        if entry.kind not in BASELINES:
            return checked_learner(entry.build(tasks, **as_tuples(fields)), entry.kind)
        read_off = {key: READ_OFF[key](tasks) for key in settings(entry.build) if key in READ_OFF}
        inner = entry.build(**read_off | as_tuples(fields))
        return HandWritten(inner, tasks, Protocol(1, tasks.lifetime_length, 1))

    try:
        variants = {}
        for values in itertools.product(*entry.varied.values()):
            chosen = dict(zip(entry.varied, values, strict=True))
            variants[", ".join(f"{key}={value}" for key, value in chosen.items())] = learner(entry.fields | chosen)
        first = next(iter(variants.values()))
        evaluation = first.protocol._replace(**entry.evaluation) if entry.evaluation else None
        return Cell(name, entry.name, entry.kind, variants, evaluation)
    except ValueError as error:
        remedy = "" if entry.tasks else '; tasks = ["..."] in its table restricts an algorithm to some tasks'
        raise ValueError(f"[algorithms.{entry.name}] on [tasks.{name}]: {error}{remedy}") from error


# Checks


def _check_table(where: str, name: str, table: Any, key: str, known: Iterable[str]) -> None:
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{where}: {name!r} becomes a file name: use letters, digits and _ . + -, with a letter, a digit or _ first"
        )
    if not isinstance(table, dict):
        raise ValueError(f"{where[1:-1]}={table!r} is not a table: write {where} on a line of its own, and settings below")
    if key not in table:
        raise ValueError(f"{where}: {key} is missing: give {key} = ... with one of {', '.join(sorted(known))}")
    if not isinstance(table[key], str):
        raise ValueError(f"{where}: {key}={table[key]!r} is not a name: give one of {', '.join(sorted(known))}")


def _check_key(key: str, value: Any, annotations: dict[str, Any], where: str) -> None:
    prefix = f"{where}: " if where else ""
    if key not in annotations:
        raise ValueError(f"{prefix}no setting is called {key!r}; {nearest(key, annotations)}")
    if not fits(value, annotations[key]):
        raise ValueError(f"{prefix}{key}={value!r} is not {say_type(annotations[key])}")


def _example(key: str) -> str:
    return {
        "name": 'name = "first comparison"',
        "seeds": "seeds = 5",
        "tasks": '[tasks.bandit] with task = "bernoulli-bandit"',
        "algorithms": '[algorithms.rl2] with algorithm = "rl2"',
    }[key]
