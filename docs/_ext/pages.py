"""Writes the pages of the documentation that are made from jmeta itself, before Sphinx reads them.

They are the pages of each algorithm and task family, the API reference, the notebooks and the benchmarks. Texts come from
docstrings, settings from signatures, and scores from ``benchmarks/``. The pages are ignored by git.

    python docs/_ext/pages.py DIRECTORY
"""

import ast
import dataclasses
import functools
import importlib
import inspect
import json
import re
import shutil
import sys
import textwrap
import tomllib
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ParamSpec
from typing import TypeVar as TypingTypeVar

import numpy as np
from typing_extensions import TypeVar

sys.path.append(str(Path(__file__).parents[2]))  # benchmarks is no part of the package that is installed

from benchmarks.bench import pages as bench
from benchmarks.bench.summary import read_summary, read_tables
from jmeta.algorithms import ALGORITHMS
from jmeta.cli.help import by_heading, default_text, headline, setting_texts
from jmeta.cli.plain import TASK_PREFIX, flag
from jmeta.comparison.text import interval
from jmeta.inner import InnerLearner, QLearner, UpdateRule
from jmeta.outer import CreditAssignment, OuterLearner
from jmeta.registry import settings
from jmeta.tasks import TASKS, GridNavi, PointNavigation, TaskDistribution

REPOSITORY = Path(__file__).parents[2]
BENCHMARKS = REPOSITORY / "benchmarks"
DOCS = REPOSITORY / "docs"

GENERATED = ("algorithms", "tasks", "api", "notebooks", "benchmarks")
"""The folders that this module writes, below ``docs/``."""

MODULES = (
    "jmeta",
    "jmeta.algorithms",
    "jmeta.tasks",
    "jmeta.inner",
    "jmeta.outer",
    "jmeta.outer.credit",
    "jmeta.networks",
    "jmeta.objectives",
    "jmeta.lifetime",
    "jmeta.agent",
    "jmeta.interop",
    "jmeta.interop.gymnasium",
    "jmeta.interop.gymnasium.episodes",
    "jmeta.training",
    "jmeta.evaluation",
    "jmeta.evaluation.plots",
    "jmeta.evaluation.statistics",
    "jmeta.evaluation.watch",
    "jmeta.diagnostics",
    "jmeta.comparison",
    "jmeta.comparison.spec",
    "jmeta.recipes",
    "jmeta.tuning",
    "jmeta.planning",
    "jmeta.zoo",
    "jmeta.references",
    "jmeta.registry",
    "jmeta.runs",
    "jmeta.testing",
    "jmeta.testing.laws",
    "jmeta.types",
    "jmeta.action_spaces",
    "jmeta.observation_spaces",
    "jmeta.struct",
    "jmeta.ranges",
    "jmeta.settings",
    "jmeta.keys",
    "jmeta.axes",
    "jmeta.parallel",
)
"""Public modules, in the order of the API reference."""

FAMILIES = {
    "Gradient steps in the inner loop": (
        *("maml", "fomaml", "reptile", "anil", "cavia", "meta-sgd", "maml-plus-plus", "imaml", "maml-trpo", "promp", "e-maml"),
        *("meta-lstm", "es-maml", "maml-dqn"),
    ),
    "Memory": ("rl2", "snail", "mann", "rl2-es", "rl2-cma-es", "hypernetwork", "recurrent-hypernetwork"),
    "Task inference": ("varibad", "task-inference", "pearl", "mql"),
    "Baselines": ("average", "oracle", "sac", "td3", "dqn"),
}
"""Algorithms by what adapts; one that is in no list stands under "Others"."""

TASK_KINDS = {
    "Bandits": ("bernoulli-bandit", "gaussian-bandit", "dependent-bandit", "two-task-bandit"),
    "Finite state spaces": ("tabular-mdp", "grid-navi", "dark-room", "dark-key-to-door"),
    "Navigation in the plane": ("point-navigation", "sparse-point-navigation"),
    "Varied physics": ("cart-pole", "pendulum", "acrobot", "mountain-car", "mountain-car-continuous", "reacher"),
    "Environments of gymnax": (
        *("gymnax", "gymnax-bernoulli-bandit", "gymnax-gaussian-bandit", "gymnax-meta-maze", "gymnax-point-robot", "minatar"),
    ),
}
"""Task families by kind, as ``FAMILIES``."""

CLASSICAL = {"bandits": "bernoulli-bandit", "tabular": "tabular-mdp"}
"""Task family of each table in ``benchmarks/results/references.json``."""


ROLES: dict[type, str] = {
    InnerLearner: "the agent",
    OuterLearner: "the outer learner",
    UpdateRule: "the update rule",
    CreditAssignment: "the credit assignment",
    QLearner: "the learner of action values",
}
"""Descriptions of the classes that algorithms consist of."""

COMPARED = (
    "Comparisons. The score is the mean return of an episode over a lifetime, with a 95 % bootstrap interval over seeds and test "
    "tasks."
)


BENCHED = (
    ":doc:`The bench </benchmarks/bench/index>`: the mean return of an episode over a lifetime, with a 95 % bootstrap interval "
    "over seeds and test tasks. Normalised, 0 is acting at random, and 1 is acting with the task known."
)


def write(
    out: Path,
    facts: Callable[[type[TaskDistribution]], list[tuple[str, str]]] | None = None,
    parts: Callable[[str], list[type]] | None = None,
    draw: bool = True,
) -> list[Path]:
    """Writes all generated pages below ``out`` and removes those of earlier calls that are no longer made.

    Args:
      out: the folder of the documentation.
      facts: returns names and values that describe a task family; by default ``facts_of``, which takes ten seconds for all.
      parts: returns the classes that an algorithm of this name consists of; by default ``parts_of``, which takes as long.
      draw: whether the figures of the bench are drawn, which takes half a minute; without it they are empty files.

    Returns:
      The files, as paths below ``out``.
    """
    pages: dict[str, str | bytes] = {}
    pages |= (
        algorithm_pages(parts or parts_of)
        | task_pages(facts or facts_of)
        | api_pages()
        | notebook_pages()
        | benchmark_pages(draw)
    )
    for folder in GENERATED:
        for old in (out / folder).rglob("*"):
            if old.is_file() and str(old.relative_to(out)) not in pages:
                old.unlink()
    for name, content in pages.items():
        path, data = out / name, content.encode() if isinstance(content, str) else content
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != data:  # Sphinx reads again what is newer
            path.write_bytes(data)
    return [Path(name) for name in pages]


# Algorithms


def algorithm_pages(parts: Callable[[str], list[type]]) -> dict[str, str]:
    """Returns the page of each algorithm, and the index."""
    uses = tomllib.loads((DOCS / "when-to-use.toml").read_text("utf-8"))
    pages = {f"algorithms/{name}.rst": _algorithm_page(name, uses, parts(name)) for name in ALGORITHMS}
    intro = """
        Each algorithm is a function of a task distribution and keyword arguments, and returns an outer learner. The name on the
        command line has hyphens, and the name in Python underscores: ``jmeta train maml-trpo`` and
        ``jmeta.algorithms.maml_trpo``. :doc:`/how-to/choose` helps to choose one.
    """
    return pages | {"algorithms/index.rst": _index("Algorithms", intro, _grouped(ALGORITHMS, FAMILIES), ALGORITHMS, "--")}


def _algorithm_page(name: str, uses: dict[str, str], parts: list[type]) -> str:
    function = ALGORITHMS[name]
    page = [
        _title(name),
        f".. autofunction:: jmeta.algorithms.{function.__name__}",
        _title("When to use it", "-"),
        uses[name].strip(),
        _title("Parts", "-"),
        *(_part(kind) for kind in parts),
        _title("Settings", "-"),
        f"``jmeta list {name}`` prints this table. In Python, write ``num_tasks=...`` for ``--num-tasks``.",
    ]
    headings = by_heading(function)
    for heading, names in headings.items():
        page += [_title(f"{heading.capitalize()} options", "~"), _settings_table(function, names, "--")]
    page += [_title("Results", "-"), *_results_of_algorithm(name)]
    return _joined(page)


def parts_of(name: str) -> list[type]:
    """Returns the classes that an algorithm consists of: the agent, the outer learner, and parts of the two."""
    outer = _built(name)
    found: dict[type, None] = {}
    for learner in (outer.inner, outer):
        found[type(learner)] = None
        for field in dataclasses.fields(learner):
            value = getattr(learner, field.name)
            kind = value if isinstance(value, type) else type(value)
            if kind.__module__.startswith(("jmeta.inner.", "jmeta.outer.")):
                found[kind] = None
    return list(found)


def _built(name: str) -> Any:
    """Returns an algorithm's learner, on point navigation or, if its actions must be discrete, on GridNavi."""
    try:
        return ALGORITHMS[name](PointNavigation())
    except ValueError:
        return ALGORITHMS[name](GridNavi())


def _part(kind: type) -> str:
    """Returns a paragraph on a part of an algorithm: its description if that has an equation, else its first sentence."""
    public = _public_name(kind)
    name = f":class:`{kind.__name__} <{public}>`" if public else f"``{kind.__module__}.{kind.__name__}``"
    role = next((role for base, role in ROLES.items() if issubclass(kind, base)), "the search strategy")
    description = next(iter(sections((inspect.getdoc(kind) or "").splitlines())))[1]
    if any(line.startswith("    ") for line in description):
        return "\n".join([f"{name}, {role}.", "", *literal_blocks(description)])
    return f"{name}, {role}. {escaped(_first_sentence(chr(10).join(description)))}"


def _public_name(kind: type) -> str | None:
    for module_name in MODULES[1:]:
        module = importlib.import_module(module_name)
        if getattr(module, kind.__name__, None) is kind and kind.__name__ in public_names(module):
            return f"{module_name}.{kind.__name__}"
    return None


def _results_of_algorithm(name: str) -> Iterator[str]:
    rows = [
        [
            _link(row["table"]),
            _code(row["task"]),
            row["label"],
            row["score"],
            row["reference"],
            row["published"],
            row["env_steps"],
        ]
        for row in trained_rows()
        if row["algorithm"] == name
    ]
    if rows:
        yield "Tables of papers, measured with this algorithm. A list of returns is that after 0, 1, 2, ... inner steps."
        header = ["table", "task", "row", "mean return over seeds", "known", "published", "environment steps"]
        yield _table(header, rows)
    rows = [
        [_report_link(row), _code(row["task"]), row["label"], row["score"], row["random"], row["optimum"], row["env_steps"]]
        for row in compared_rows()
        if row["kind"] == name
    ]
    if rows:
        yield COMPARED
        yield _table(["comparison", "task", "row", "score", "random", "optimum", "environment steps"], rows)
    benched = list(bench_rows(name))
    if benched:
        yield BENCHED
        yield _table(["task", "budget", "score", "normalised", "environment steps"], benched)
    if not rows and not benched and not any(row["algorithm"] == name for row in trained_rows()):
        yield "No learning results are recorded yet. The algorithm passes the conformance tests (``jmeta.testing.LAWS``)."
    else:
        yield "How each was measured: :doc:`/benchmarks/index`."


# Task families


def task_pages(facts: Callable[[type[TaskDistribution]], list[tuple[str, str]]]) -> dict[str, str]:
    """Returns the page of each task family, and the index."""
    pages = {f"tasks/{name}.rst": _task_page(name, facts(TASKS[name])) for name in TASKS}
    intro = """
        A task family draws tasks: environments with fixed parameters. Each is a frozen dataclass whose fields are its settings.
        :doc:`/how-to/task` shows how to write one of your own.
    """
    return pages | {"tasks/index.rst": _index("Tasks", intro, _grouped(TASKS, TASK_KINDS), TASKS, TASK_PREFIX)}


def _task_page(name: str, facts: list[tuple[str, str]]) -> str:
    kind = TASKS[name]
    parts = [_title(name), f".. autoclass:: jmeta.tasks.{kind.__name__}\n   :members:"]
    parts += [_title("Settings", "-"), f"``jmeta list {name}`` prints this table; the options are those of ``jmeta train``."]
    names = [each for group in by_heading(kind).values() for each in group]
    parts.append(_settings_table(kind, names, TASK_PREFIX) if names else "There are no settings.")
    if facts:
        parts += [_title("At the default settings", "-"), _table(["property", "value"], [list(each) for each in facts])]
    parts += [_title("Scores", "-"), *_scores_of_task(name)]
    return _joined(parts)


def _scores_of_task(name: str) -> Iterator[str]:
    trained = [
        [_link(row["table"]), row["label"], _code(row["algorithm"]), row["score"], row["reference"], row["published"]]
        for row in trained_rows()
        if row["task"] == name
    ]
    if trained:
        yield "Published scores, and those of jmeta. A list of returns is that after 0, 1, 2, ... inner steps."
        yield _table(["table", "row", "algorithm", "mean return over seeds", "known", "published"], trained)
    compared = [
        [_report_link(row), row["label"], row["score"], row["random"], row["optimum"], row["env_steps"]]
        for row in compared_rows()
        if row["task"] == name
    ]
    if compared:
        yield COMPARED
        yield _table(["comparison", "row", "score", "random", "optimum", "environment steps"], compared)
    classical = [
        [row["setting"], row["learner"], f"{row['mean']:.5g} ± {row['standard_error']:.2g}", *_published_by(row)]
        for table, rows in _json(BENCHMARKS / "results" / "references.json").items()
        if CLASSICAL.get(table) == name
        for row in rows
    ]
    if classical:
        yield "Hand-written learners (``jmeta.references``), return of a lifetime, ± the standard error over tasks."
        yield _table(["setting", "learner", "jmeta", "published", "by"], classical)
    benched = _benched_families(name)
    for each in benched:
        yield f"All algorithms in this task family: :doc:`the bench </benchmarks/bench/{each}>`."
    if not (trained or compared or classical or benched):
        yield "No scores are recorded yet."
    else:
        yield "How each was measured: :doc:`/benchmarks/index`."


def _published_by(row: dict[str, Any]) -> list[str]:
    return ["" if row["published"] is None else f"{row['published']:g}", row["source"] or ""]


def facts_of(kind: type[TaskDistribution]) -> list[tuple[str, str]]:
    """Returns what describes a task family at its default settings: spaces, lengths, splits and the known optimum."""
    tasks = kind()
    known = tasks.reference_return(tasks.lifetime_length)
    splits = ["training"] + ["validation"] * tasks.has_validation + ["held-out"] * tasks.has_held_out
    splits += ["out of distribution"] * tasks.has_out_of_distribution
    optimum = "not known" if known is None else f"{known.value:.5g} per {known.per} ({known.label})"
    return [
        ("episode", f"at most {tasks.horizon:,} environment steps" if tasks.horizon > 1 else "1 environment step"),
        ("lifetime", f"{tasks.lifetime_length:,} environment steps"),
        ("observation", f"{tasks.observation_size} numbers" if tasks.observation_size > 1 else "1 number"),
        ("action", f"``{tasks.action_space}``"),
        ("splits", ", ".join(splits)),
        ("optimum", optimum),
    ]


# Scores


def trained_rows() -> list[dict[str, str]]:
    """Returns the rows of published tables that were measured, from ``benchmarks/results/table-*.json``."""
    found = []
    for path in sorted((BENCHMARKS / "results").glob("table-*.json")):
        for label, row in _json(path)["rows"].items():
            seeds = list(row["seeds"].values())
            if not seeds:
                continue
            field = "trajectory_returns" if row["protocol"] and "trajectory_returns" in seeds[0] else "mean"
            score = np.mean([seed[field] for seed in seeds], 0)
            known = seeds[0]["reference"]
            found.append(
                {
                    "table": path.stem.removeprefix("table-"),
                    "algorithm": row["recipe"]["algorithm"],
                    "task": row["recipe"]["task"],
                    "label": label,
                    "score": f"{', '.join(f'{each:.4g}' for each in np.atleast_1d(score))} ({_of_seeds(len(seeds))})",
                    "reference": f"{known['label']} {known['value']:.4g} per {known['per']}" if known else "",
                    "published": ", ".join(f"{who} {score}" for who, score in row["published"].items()),
                    "env_steps": f"{seeds[0]['env_steps']:,}",
                }
            )
    return found


def _of_seeds(number: int) -> str:
    return "one seed" if number == 1 else f"{number} seeds"


def compared_rows() -> list[dict[str, str]]:
    """Returns the rows of the comparisons in ``benchmarks/reports``, with the task family that each one's spec names."""
    found = []
    for path in sorted((BENCHMARKS / "reports").glob("*/results.json")):
        report, spec = path.parent.name, BENCHMARKS / "specs" / f"{path.parent.name}.toml"
        families = tomllib.loads(spec.read_text("utf-8"))["tasks"] if spec.exists() else {}
        for task in _json(path)["tasks"]:
            family = families.get(task["task"], {}).get("task", task["task"])
            for row in task["rows"]:
                if not row["ran"]:
                    continue
                mean, optimum, steps = row["mean"], task["optimum"], row.get("env_steps")
                found.append(
                    {
                        "report": report,
                        "kind": row["kind"],
                        "task": family,
                        "label": row["label"],
                        "score": f"{mean['value']:.4g} [{mean['low']:.4g}, {mean['high']:.4g}]",
                        "random": "" if task["random"] is None else f"{task['random']:.4g}",
                        "optimum": f"{optimum['value']:.4g} ({optimum['label']})" if optimum else "",
                        "env_steps": f"{steps:,}" if steps else "",
                    }
                )
    return found


def bench_rows(name: str) -> Iterator[list[str]]:
    """Yields the rows of an algorithm in the bench, by task family and budget."""
    families, summary = _bench()
    for family in families:
        for budget, results in summary["results"].items():
            row = results.get(family, {"rows": {}})["rows"].get(name, {"failed": "not run yet"})
            if "failed" not in row:
                scaled = "" if row["normalised"] is None else f"{row['normalised']['value']:.2f}"
                where = f":doc:`{family} </benchmarks/bench/{family}>`"
                yield [where, budget, interval(row["score"]), scaled, f"{row['env_steps']:,}"]


def _benched_families(name: str) -> list[str]:
    """Returns the bench's tables of a task family that have results."""
    families, summary = _bench()
    known = {each for results in summary["results"].values() for each in results}
    return [each for each, task in families.items() if task == name and each in known]


@functools.cache
def _bench() -> tuple[dict[str, str], dict[str, Any]]:
    """Returns the task families of the bench with their registered names, and its results."""
    return {name: table.task for name, table in read_tables().tasks.items()}, read_summary()


def _json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def _report_link(row: dict[str, str]) -> str:
    return f":doc:`{row['report']} </benchmarks/{row['report']}>`"


def _link(table: str) -> str:
    return f":doc:`{table} </benchmarks/index>`"


# API reference


def public_names(module: types.ModuleType) -> list[str]:
    """Returns the public names of a module: those of its ``__all__``, or else those without an underscore that it defines."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    if module.__name__ == "jmeta.algorithms":
        return ["ALGORITHMS", "AlgorithmSettings", "algorithm", *(function.__name__ for function in ALGORITHMS.values())]
    names: list[str] = []
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [each.id for each in targets if isinstance(each, ast.Name)]
    kinds = (types.ModuleType, TypeVar, TypingTypeVar, ParamSpec)
    return [name for name in dict.fromkeys(names) if name[0] != "_" and not isinstance(getattr(module, name), kinds)]


@functools.cache
def homes() -> dict[str, str]:
    """Returns the documented name of each public symbol: that of the first module of ``MODULES``, but ``jmeta``, which has it.

    The keys are all public names with their modules, such as ``jmeta.InnerLearner``, the values the names under which the objects
    are described, ``jmeta.inner.InnerLearner``. Submodules are described under their own names.
    """
    described: dict[int, str] = {}
    found: dict[str, str] = {}
    for module_name in (*MODULES[1:], MODULES[0]):
        module = importlib.import_module(module_name)
        for name in public_names(module):
            thing, full = getattr(module, name), f"{module_name}.{name}"
            if isinstance(thing, types.ModuleType):
                found[full] = thing.__name__
            elif _is_ours(thing):
                found[full] = described.setdefault(id(thing), full)
            else:  # constants and aliases, which may be equal to others
                origin = next((f"{other}.{name}" for other in MODULES if f"{other}.{name}" in found), full)
                same = origin != full and getattr(importlib.import_module(origin.rpartition(".")[0]), name) is thing
                found[full] = found[origin] if same else full
    return found


def _is_ours(thing: Any) -> bool:
    """Returns whether a thing is a class or a function of jmeta, and not a constant or an alias."""
    return (inspect.isclass(thing) or inspect.isfunction(thing)) and thing.__module__.startswith("jmeta")


def on_pages_of_their_own() -> set[str]:
    """Returns the documented names of algorithms and task families, each of which has a page."""
    algorithms = {f"jmeta.algorithms.{function.__name__}" for function in ALGORITHMS.values()}
    return algorithms | {f"jmeta.tasks.{kind.__name__}" for kind in TASKS.values()}


def api_pages() -> dict[str, str]:
    """Returns a page for each public module, and the index."""
    where, apart = homes(), on_pages_of_their_own()
    pages = {f"api/{name}.rst": _api_page(name, where, apart) for name in MODULES}
    rows = [[f":doc:`{name}`", _first_sentence(importlib.import_module(name).__doc__ or "")] for name in MODULES]
    parts = [
        _title("API reference"),
        "Public modules and their names. Other modules, and names that begin with an underscore, may change without notice.",
        _table(["module", "contents"], rows),
        ".. toctree::\n   :hidden:\n\n" + "\n".join(f"   {name}" for name in MODULES),
    ]
    return pages | {"api/index.rst": _joined(parts)}


def _api_page(module_name: str, where: dict[str, str], apart: set[str]) -> str:
    module = importlib.import_module(module_name)
    parts = [_title(module_name), f".. automodule:: {module_name}"]
    rows, directives = [], []
    for name in sorted(public_names(module), key=str.lower):
        full = f"{module_name}.{name}"
        home, thing = where[full], getattr(module, name)
        if isinstance(thing, types.ModuleType):
            rows.append([f":mod:`~{home}`", _first_sentence(thing.__doc__ or "")])
            continue
        role = "obj" if not _is_ours(thing) else "class" if inspect.isclass(thing) else "func"
        rows.append([f":{role}:`{name} <{home}>`", _first_sentence(_doc_of(thing) if _is_ours(thing) else _about_constant(home))])
        if home == full and full not in apart:
            directives.append(_directive(full, thing))
    parts.append(_table(["name", "what it is"], rows))
    return _joined([*parts, *directives])


def _doc_of(thing: Any) -> str:
    documented = inspect.getdoc(thing) or ""
    return "" if documented.startswith(f"{thing.__name__}(") else documented


def _about_constant(full: str) -> str:
    """Returns the docstring below a constant or an alias, or else its value as it is written in the source."""
    module_name, _, name = full.rpartition(".")
    package = REPOSITORY / "src" / module_name.replace(".", "/")
    paths = [package.with_suffix(".py"), *sorted(package.glob("**/*.py"))]
    for path in filter(Path.exists, paths):
        body = ast.parse(path.read_text("utf-8")).body
        for node, after in zip(body, [*body[1:], None], strict=True):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
            if name not in [each.id for each in targets if isinstance(each, ast.Name)]:
                continue
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
                return inspect.cleandoc(after.value.value)
            value = getattr(node, "value", None)
            written = "" if value is None else ast.unparse(value)
            return f"``{written}``" if 0 < len(written) <= 100 else ""
    return ""


def _directive(full: str, thing: Any) -> str:
    if not _is_ours(thing):
        module_name, _, name = full.rpartition(".")
        text = "\n".join(literal_blocks(_about_constant(full).splitlines()))
        return f".. py:data:: {name}\n   :module: {module_name}\n\n{textwrap.indent(text, '   ')}".rstrip()
    if inspect.isclass(thing):
        return f".. autoclass:: {full}\n   :members:\n   :show-inheritance:"
    return f".. autofunction:: {full}"


def _first_sentence(text: str) -> str:
    first = " ".join(text.strip().split("\n\n")[0].split())
    if re.fullmatch(r"``[^`]+``", first):
        return first
    return re.split(r"(?<=[a-z0-9)`\]])(?<!et al)(?<!e\.g)\.(?: |$)", first)[0].rstrip(".:") + "." if first else ""


# Notebooks and benchmarks


def notebook_pages() -> dict[str, str | bytes]:
    """Returns the notebooks as they are committed, and the index."""
    paths = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
    parts = [
        _title("Notebooks"),
        "The notebooks are shown with the outputs that are committed with them; ``make test-notebooks`` executes them.",
        ".. toctree::\n   :maxdepth: 1\n\n" + "\n".join(f"   {path.stem}" for path in paths),
    ]
    index: dict[str, str | bytes] = {"notebooks/index.rst": _joined(parts)}
    return index | {f"notebooks/{path.name}": _notebook(path) for path in paths}


def _notebook(path: Path) -> str:
    """Returns a notebook as JSON, without the identifiers of cells if its format has none."""
    notebook = _json(path)
    if (notebook["nbformat"], notebook["nbformat_minor"]) < (4, 5):
        for cell in notebook["cells"]:
            cell.pop("id", None)
    return json.dumps(notebook, ensure_ascii=False, indent=1)


def benchmark_pages(draw: bool = True) -> dict[str, str | bytes]:
    """Returns ``benchmarks/README.md`` as the index of the comparisons that were kept, each with its picture, and the bench."""
    pages: dict[str, str | bytes] = {}
    names = []
    for path in sorted((BENCHMARKS / "reports").glob("*/table.md")):
        name = path.parent.name
        names.append(name)
        title, _, body = path.read_text("utf-8").partition("\n")
        picture = path.with_name("curves.png")
        parts = [f"# {name}: {title.removeprefix('# ')}", f"`jmeta compare {name} --out runs/{name}`", body.strip()]
        if picture.exists():
            pages[f"benchmarks/{name}.png"] = picture.read_bytes()
            parts.insert(2, f"![Learning curves and adaptation curves of the comparison]({name}.png)")
        pages[f"benchmarks/{name}.md"] = "\n\n".join(parts) + "\n"
    index = (BENCHMARKS / "README.md").read_text("utf-8")
    title, _, rest = index.partition("\n\n")
    index = f"{title}\n\n{{doc}}`bench/index` compares all algorithms in eight task families, with figures.\n\n{rest}"
    index = re.sub(r"\]\(reports/([\w-]+)/table\.md\)", r"](\1.md)", index)
    toctree = "\n".join(
        [
            "```{toctree}",
            ":caption: Comparisons",
            ":maxdepth: 1",
            "",
            "bench/index",
            *(f"{name} <{name}>" for name in names),
            "```",
        ]
    )
    pages["benchmarks/index.md"] = f"{index.rstrip()}\n\n## Comparisons\n\n{toctree}\n"
    return pages | bench.pages(draw=draw)


# Docstrings

SECTION = re.compile(r"(Args|Attributes|Returns|Yields|Raises|Example|Examples|References|Deviations[\w ]*):\s*$")


def sections(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yields the title and the lines of each section of a docstring; the title of the description is empty."""
    title, body = "", []  # type: tuple[str, list[str]]
    for line in lines:
        found = SECTION.match(line)
        if found:
            yield title, body
            title, body = found[1], []
        else:
            body.append(line)
    yield title, body


def literal_blocks(lines: list[str]) -> list[str]:
    """Returns lines in which each indented block after a paragraph is a literal block of the class "equation"."""
    marked: list[str] = []
    block = ""  # "equation", or "code" in a block that reStructuredText marks already
    for i, line in enumerate(lines):
        indented = line.startswith("  ")
        if indented and not block and i and not lines[i - 1].strip():
            before = next((each for each in reversed(lines[:i]) if each.strip()), "").rstrip()
            block = "code" if before.endswith("::") or re.match(r"[-*>.]", before) else "equation"
            if block == "equation":
                margin = " " * (len(line) - len(line.lstrip()))
                marked += [".. code-block:: text", f"{margin}:class: equation", ""]
        elif line.strip() and not indented:
            block = ""
        if block == "equation":
            marked.append(line.replace("``", ""))
        else:
            marked.append(line if block or line.startswith(">>>") else escaped(line))
    return marked


def escaped(line: str) -> str:
    """Returns a line of text in which only literals and emphasis are markup, not norms and shapes such as ``[*shape, D]``."""
    parts = line.split("``")
    if len(parts) % 2:
        parts[::2] = [re.sub(r"(?<=[\[(])\*(?=\w)|\|", r"\\\g<0>", part) for part in parts[::2]]
    return "``".join(parts)


# reStructuredText


def _index(title: str, intro: str, groups: dict[str, list[str]], members: dict[str, Any], prefix: str) -> str:
    parts = [_title(title), " ".join(intro.split())]
    for group, names in groups.items():
        rows = [[f":doc:`{name}`", _literals(headline(members[name], prefix))] for name in names]
        parts += [_title(group, "-"), _table(["name", "what it is"], rows)]
        parts.append(f".. toctree::\n   :hidden:\n   :caption: {group}\n\n" + "\n".join(f"   {name}" for name in names))
    return _joined(parts)


def _grouped(members: Iterable[str], groups: dict[str, tuple[str, ...]]) -> dict[str, list[str]]:
    listed = {name for names in groups.values() for name in names}
    all_groups = {**groups, "Others": tuple(name for name in members if name not in listed)}
    found = {group: [name for name in names if name in members] for group, names in all_groups.items()}
    return {group: names for group, names in found.items() if names}


def _settings_table(thing: Callable[..., Any], names: Iterable[str], prefix: str) -> str:
    texts, parameters = setting_texts(thing, prefix), settings(thing)
    rows = [[f"``{flag(name, prefix)}``", _default(parameters[name].default), _literals(texts[name])] for name in names]
    return _table(["option", "default", "what it sets"], rows, "settings")


def _default(value: Any) -> str:
    text = default_text(value)
    return text if text in ("required", "optional", "on", "off", "none") else f"``{text}``"


def _title(text: str, mark: str = "=") -> str:
    return f"{text}\n{mark * (len(text) + 2)}"


def _table(header: list[str], rows: list[list[str]], kind: str = "data") -> str:
    lines = [f".. list-table::\n   :header-rows: 1\n   :class: {kind}\n"]
    for row in [header, *rows]:
        cells = [" ".join(str(cell).split()) for cell in row]
        lines.append("   * - " + "\n     - ".join(cells))
    return "\n".join(line.rstrip() for line in "\n".join(lines).splitlines())


def _code(name: str) -> str:
    if name in TASKS:
        return f":doc:`/tasks/{name}`"
    return f":doc:`/algorithms/{name}`" if name in ALGORITHMS else f"``{name}``"


def _literals(text: str) -> str:
    """Returns a text for reStructuredText, with options as literals and without accidental markup."""
    parts = re.split(r"((?<![\w-])--[a-z][\w.-]*\w)", text)
    return "".join(f"``{part}``" if i % 2 else _escaped(part) for i, part in enumerate(parts))


def _escaped(text: str) -> str:
    return re.sub(r"([*`|\\]|(?<=\w)_(?!\w))", r"\\\1", text)


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    shown = write(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS)
    print(f"{len(shown)} files")
    if shutil.which("sphinx-build") is None:
        print("sphinx-build is not installed: make docs installs it and builds the pages")
