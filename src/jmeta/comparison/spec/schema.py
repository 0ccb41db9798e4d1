"""The tables of a specification and their keys, checked by pydantic; messages are in the words of the TOML file."""

from typing import Any, get_args

import pydantic
from pydantic_core import ErrorDetails

from jmeta.algorithms import ALGORITHMS
from jmeta.comparison.spec.baselines import BASELINES
from jmeta.registry import nearest
from jmeta.tasks import TASKS, Split

KNOWN = {"task": sorted(TASKS), "algorithm": sorted({**ALGORITHMS, **BASELINES})}
"""Names of jmeta's task families and algorithms, by the key that has one of them."""
EXAMPLES = {
    "name": 'name = "first comparison"',
    "seeds": "seeds = 5",
    "tasks": '[tasks.bandit] with task = "bernoulli-bandit"',
    "algorithms": '[algorithms.rl2] with algorithm = "rl2"',
}
TYPES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "a string",
    "list_type": "a list of strings",
    "dict_type": "a table",
}
"""Types in words, by pydantic's name for a value of another type."""


class EvaluationTable(pydantic.BaseModel):
    """The keys of ``evaluation``, the experience of a lifetime in evaluation."""

    model_config = pydantic.ConfigDict(strict=True, extra="forbid")

    num_segments: int | None = None
    segment_length: int | None = None
    num_streams: int | None = None


class TaskTable(pydantic.BaseModel):
    """A table of ``tasks``; further keys are settings of the task family."""

    model_config = pydantic.ConfigDict(strict=True, extra="allow")

    task: str
    split: Split = "held-out"


class AlgorithmTable(pydantic.BaseModel):
    """A table of ``algorithms``; further keys are settings of the algorithm."""

    model_config = pydantic.ConfigDict(strict=True, extra="allow")

    algorithm: str
    tasks: list[str] | None = None  # None for all
    evaluation: EvaluationTable = EvaluationTable()
    outer_steps: int | None = None
    adapted_by: str | None = None
    published: dict[str, str] = {}
    by_task: dict[str, dict[str, Any]] = {}  # settings in place of those above, by name of a table of tasks

    def in_task(self, task: str) -> "AlgorithmTable":
        """Returns the table with the settings that it has in a task.

        Raises:
          ValueError: for a key that is unknown, or has a value of another type.
        """
        if task not in self.by_task:
            return self
        if whole := {"algorithm", "tasks", "by_task"} & self.by_task[task].keys():
            raise ValueError(f"by_task.{task} has the key {min(whole)!r}, which is the same in all tasks: leave it out")
        fields = self.model_dump(exclude_unset=True, exclude={"by_task"}) | self.by_task[task]
        try:
            return AlgorithmTable.model_validate(fields)
        except pydantic.ValidationError as error:
            raise ValueError(_in_words(error.errors()[0])) from None


class TuningTable(pydantic.BaseModel):
    """The table ``tuning``: which settings ``jmeta tune`` tries, and what it may spend on them."""

    model_config = pydantic.ConfigDict(strict=True, extra="forbid")

    env_steps: int
    num_settings: int = 16
    seeds: int = 2
    num_rungs: int = 2
    reduction: int = 4
    num_tasks: int = 1000
    score: str = "lifetime"
    seed: int = 1000
    space: dict[str, dict[str, Any]] = {}


class Spec(pydantic.BaseModel):
    """A specification."""

    model_config = pydantic.ConfigDict(strict=True, extra="forbid")

    name: str
    seeds: int
    env_steps: int | None = None
    wall_clock_seconds: float | None = None
    num_test_tasks: int = 1000
    seed: int = 0
    reference: str | None = None
    experience: list[int] | None = None
    tasks: dict[str, TaskTable]
    algorithms: dict[str, AlgorithmTable]
    tuning: TuningTable | None = None


def check_structure(spec: dict[str, Any]) -> Spec:
    """Returns a specification with its tables as objects.

    Raises:
      ValueError: for a key that is missing or unknown, or has a value of another type, except settings of algorithms and tasks.
    """
    try:
        return Spec.model_validate(spec)
    except pydantic.ValidationError as error:
        raise ValueError(_in_words(error.errors()[0])) from None


def _in_words(error: ErrorDetails) -> str:
    """Returns pydantic's first error as a message that names the table, the key, the value and the remedy."""
    kind, path, value = error["type"], error["loc"], error["input"]
    table = ".".join(map(str, path[:2])) if len(path) > 1 else ""
    where, keys = (f"[{table}]: ", path[2:]) if len(path) > 2 else ("", path)
    key = ".".join(map(str, keys))
    names = f"one of {', '.join(KNOWN[key])}" if where and key in KNOWN else ""
    if kind == "missing":
        return f"{where}{key} is missing: give {f'{key} = ... with {names}' if names else EXAMPLES[key]}"
    if kind == "extra_forbidden":
        if where:
            return f"{where}{keys[0]} has no field {keys[1]!r}; {nearest(str(keys[1]), EvaluationTable.model_fields)}"
        return f"no setting is called {key!r}; {nearest(key, Spec.model_fields)}"
    if kind == "model_type" and not where:
        return f"{table}={value!r} is not a table: write [{table}] on a line of its own, and settings below"
    if names:
        return f"{where}{key}={value!r} is not a name: give {names}"
    if keys[0] == "published":
        return (
            f'{where}{key}={value!r}: give scores by whose they are, in quotes as they are printed, such as {{MAML = "-11.68"}}'
        )
    if kind == "literal_error":
        return f"{where}{key}={value!r}: choose from {', '.join(get_args(Split))}"
    return f"{where}{key}={value!r} is not {TYPES.get(kind, 'a table')}"
