"""The pages of the documentation that show the bench, made from ``data/summary.json``."""

import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.bench import curves, figures, tables
from benchmarks.bench.ranks import mean_ranks
from benchmarks.bench.run import BUDGETS, DATA
from benchmarks.bench.summary import Summary, read_summary, read_tables, runs_in
from jmeta.comparison.spec.schema import Spec, TaskTable

COMMAND = "python -m benchmarks.bench"
FOLDER = "benchmarks/bench"
COSTS = {
    "steps": ("train_seconds", "training, seconds for all seeds"),
    "clock": ("env_steps", "environment steps of each training"),
}
"""What a training of a budget may spend as it likes: a number of a row, and what it is."""


def pages(data: Path = DATA, draw: bool = True) -> dict[str, str | bytes]:
    """Returns the pages and pictures of the bench by name: an index, and a page for each task family.

    Args:
      data: the directory that ``run`` writes to.
      draw: whether pictures are drawn, which takes half a minute; without it they are empty files.
    """
    summary, spec = read_summary(data), read_tables()
    runs = {name: runs_in(spec, name) for name in spec.algorithms}
    found: dict[str, str | bytes] = {}
    for budget, results in summary["results"].items():
        for name, figure in _figures(results, runs, list(spec.tasks), budget).items():
            found[f"{FOLDER}/{budget}-{name}.png"] = _png(figure()) if draw else b""
    made = {Path(name).stem for name in found}
    found[f"{FOLDER}/index.md"] = _index(summary, spec, runs, made)
    return found | {f"{FOLDER}/{family}.md": _family(family, summary, spec, runs, made) for family in spec.tasks}


def _figures(
    results: dict[str, Any], runs: dict[str, list[str]], families: list[str], budget: str
) -> dict[str, Callable[[], Figure]]:
    """Returns functions that draw the figures of one budget, by name; none if nothing has been run."""
    lived = [f for f in families if any("failed" not in row for row in results.get(f, {}).get("rows", {}).values())]
    if not lived:
        return {}
    found: dict[str, Callable[[], Figure]] = {
        "scores": partial(figures.heat_map, results, runs, families, "normalised"),
        "last": partial(figures.heat_map, results, runs, families, "normalised_last"),
        "adaptation": partial(curves.overview, results, lived, "curve"),
        "learning": partial(curves.overview, results, lived, "learning"),
        "cost": partial(figures.cost_figure, results, lived, *COSTS[budget]),
    }
    ranks = mean_ranks(results, runs, families)
    if ranks is not None:
        found["ranks"] = partial(figures.ranks_figure, ranks)
    for family in lived:
        found[f"{family}-adaptation"] = partial(curves.of_family, results[family]["rows"], "curve")
        found[f"{family}-learning"] = partial(curves.of_family, results[family]["rows"], "learning")
    return found


def _index(summary: Summary, spec: Spec, runs: dict[str, list[str]], made: set[str]) -> str:
    families = list(spec.tasks)
    parts = [
        "# The bench",
        f"The bench compares {len(spec.algorithms) - 1} algorithms, all of `jmeta list`, and random actions in {len(families)} "
        f"task families. Each algorithm is trained from {summary['num_seeds']} seeds and scored on {_test_tasks(summary)}. Test "
        "tasks are held out from training where the task family has held-out tasks; the page of each task family says so. "
        "The settings are in `src/jmeta/specs/bench.toml`. An algorithm has the same settings in all task families, except "
        "those under `by_task`.",
        f"```\n{COMMAND}\n{COMMAND} --budget steps --task bandit --algorithm rl2\n```",
        "The first command runs everything that has not been run, and the second a part of it. There are two budgets:",
        "\n".join(f"- {tables.say_budget(each, summary)} {tables.say_progress(each, summary, runs)}" for each in BUDGETS),
        f"## What the numbers mean\n\n{tables.MEANING}",
        f"## The scale\n\n{tables.SCALE}",
        tables.scales_table(summary, families),
        tables.say_above_one(summary),
        *(part for budget in BUDGETS for part in _of_budget(budget, summary, runs, families, made)),
        "## Task families",
        "\n".join(f"- [{family}]({family}.md): {_say_family(spec.tasks[family])}" for family in families),
    ]
    listed = "\n".join(f"{family} <{family}>" for family in families)
    return _joined([*parts, f"```{{toctree}}\n:hidden:\n\n{listed}\n```"])


def _of_budget(budget: str, summary: Summary, runs: dict[str, list[str]], families: list[str], made: set[str]) -> list[str]:
    """Returns the figures of one budget with their captions, and the table of its normalised scores."""
    heading = f"## {tables.HEADINGS[budget]}"
    if f"{budget}-scores" not in made:
        return [heading, "Not run yet."]
    results = summary["results"][budget]
    parts = [heading]
    for name, title, text in tables.CAPTIONS:
        parts.append(f"### {title}, {tables.HEADINGS[budget].lower()}")
        if name == "ranks":
            text = tables.say_ranks(mean_ranks(results, runs, families))
        parts += [text, f"![{title}]({budget}-{name}.png)" if f"{budget}-{name}" in made else ""]
        if name == "scores":
            parts += ["With 95 % intervals:", tables.normalised_table(results, runs, families)]
    return parts


def _family(family: str, summary: Summary, spec: Spec, runs: dict[str, list[str]], made: set[str]) -> str:
    """Returns the page of one task family."""
    parts = [f"# {family}", f"{_say_family(spec.tasks[family])} Part of {{doc}}`index`, where the columns are explained."]
    parts.append(tables.say_scale(family, summary))
    for budget in BUDGETS:
        parts += [f"## {tables.HEADINGS[budget]}", f"`{COMMAND} --budget {budget} --task {family}`"]
        each = summary["results"].get(budget, {}).get(family)
        if each is None:
            parts.append("Not run yet.")
            continue
        parts.append(tables.say_tasks(each))
        pictures = {name: f"{budget}-{family}-{name}" for name in ("adaptation", "learning")}
        parts.append("\n".join(f"![{name.title()} curves]({file}.png)" for name, file in pictures.items() if file in made))
        if each["experience"]["rows"]:
            parts += [tables.scores_table(each), tables.EXPERIENCE, tables.experience_table(each)]
        parts.append(tables.say_missing(each, family, runs))
    return _joined(parts)


def _say_family(table: TaskTable) -> str:
    settings = ", ".join(f"{name} = {value}" for name, value in (table.model_extra or {}).items())
    return f"{{doc}}`/tasks/{table.task}`{f', `{settings}`' if settings else ''}."


def _test_tasks(summary: Summary) -> str:
    """Returns the number of test tasks, which the results name."""
    families = [each for results in summary["results"].values() for each in results.values()]
    known = sorted({each["num_test_tasks"] for each in families if "num_test_tasks" in each})
    return f"{' or '.join(f'{number:,}' for number in known) or 'the same'} test tasks"


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, dpi=150, metadata={"Software": None})
    return content.getvalue()


def _joined(parts: Sequence[str]) -> str:
    return "\n\n".join(part.strip() for part in parts if part) + "\n"
