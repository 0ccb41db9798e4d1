"""Sentences and tables of the bench's pages, as Markdown."""

from collections.abc import Sequence
from typing import Any

from benchmarks.bench.groups import GROUPS, ORDER
from benchmarks.bench.ranks import Ranks
from benchmarks.bench.scale import normalised
from benchmarks.bench.summary import Summary
from jmeta.comparison.text import interval, number, table_of

HEADINGS = {"steps": "Equal environment steps", "clock": "Equal time"}

MEANING = """\
- **Score** is the mean return of an episode over all episodes of a lifetime, those before adaptation too. **First** and
  **last** are the returns of the first and the last episode. Brackets are 95 % bootstrap intervals over seeds and test tasks.
- **Steps in the task** are the environment steps of a lifetime: streams x segments x steps of a segment. Agents that adapt by
  gradients live 20 streams of a task side by side, so they see more of it than agents with memory, which live one stream.
  Tables "at equal experience", on the page of each task family, show what each agent earns after the same number of steps.
- **CVaR 20 %** is the mean score of the worst 20 % of the test tasks. **Regressions** is the share of test tasks on which the
  end of a lifetime (its last quarter) is below its first episode; a tie counts half, so an agent that does not adapt has
  about one half.
- **Seconds** are those of training + compilation, for all seeds together. They, and all scores at equal time, depend on the
  machine and on what else runs on it.
- **Failed** means that a seed became non-finite, or that the program could not be run. **Not run yet** is said of what is
  missing."""

SCALE = """\
A normalised score is (score - random) / (upper end - random). Each task family has one scale, on both budgets: 0 is the score
of random actions, and 1 is the return of an agent that knows the task. That is computed exactly where jmeta can do so. Where
it can't, it is the score of `oracle`, a policy that is told the task and was trained in the bench, on the budget on which
that is higher. Intervals treat both ends as constants.

The optimum of an agent that learns from one stream (the Bayes optimum) isn't used as the upper end, since agents with 20
streams see more of a task and may surpass it. The page of a task family names it where it is known. An agent that does not
know the task has to find out about it first, so 1 may be out of its reach."""

CAPTIONS = (
    (
        "scores",
        "Normalised scores",
        "The mean over all episodes of a lifetime, on the scale above; a question mark has no scale. The groups of algorithms, "
        f"from the top: {'; '.join(GROUPS)}.",
    ),
    ("last", "Normalised return of the last episode", "What an agent earns once it has adapted, on the same scale."),
    (
        "adaptation",
        "Adaptation curves",
        "Of each group of algorithms, the one whose last episode is best, and `oracle` and `random`. The colours are those of "
        "the heat map. Steps are those of all streams together. Bands are 95 % intervals. "
        "The pages of the task families show them larger.",
    ),
    (
        "learning",
        "Learning curves",
        "Of the same algorithms, the last episode of a lifetime on training tasks: the mean and the range over seeds.",
    ),
    ("ranks", "Ranks", ""),
    (
        "cost",
        "Scores and costs",
        "Named are algorithms that are better than all cheaper ones; those that are hardly better have no name.",
    ),
)
"""Name, title and text of each figure."""

EXPERIENCE = """\
At equal experience: the return of the next episode after so many environment steps in the task, all streams together. The
best is bold, `oracle` excluded. A dash means that the lifetime is over."""


def say_budget(budget: str, summary: Summary) -> str:
    """Returns what a training may spend."""
    limits = summary["budgets"].get(budget, {})
    if "env_steps" in limits:
        return f"**{HEADINGS[budget]}** (`{budget}`): {limits['env_steps']:,} environment steps for each training."
    if "wall_clock_seconds" in limits:
        seconds = f"{limits['wall_clock_seconds']:g} s of training for all seeds together, without compilation"
        return f"**{HEADINGS[budget]}** (`{budget}`): {seconds}."
    return f"**{HEADINGS[budget]}** (`{budget}`)."


def say_progress(budget: str, summary: Summary, runs: dict[str, list[str]]) -> str:
    """Returns how much of a budget has been run."""
    rows = [row for each in summary["results"].get(budget, {}).values() for row in each["rows"].values()]
    failed = sum("failed" in row for row in rows)
    whole = sum(map(len, runs.values()))
    devices = sorted({device for each in summary["results"].get(budget, {}).values() for device in each.get("devices", ())})
    said = f"{len(rows)} of {whole} cells have been run{f', of which {failed} failed' if failed else ''}"
    return f"{said}, on {' and '.join(devices)}." if devices else f"{said}."


def scales_table(summary: Summary, families: Sequence[str]) -> str:
    """Returns the ends of the scale of each task family."""
    cells = []
    for family in families:
        scale = summary["scales"].get(family, {"missing": "nothing has been run"})
        if "missing" in scale:
            cells.append([f"[`{family}`]({family}.md)", "—", "—", f"no scale: {scale['missing']}"])
        else:
            cells.append([f"[`{family}`]({family}.md)", number(scale["random"]), number(scale["upper"]), scale["label"]])
    return table_of(["task family", "random", "task known", "which is"], cells)


def say_above_one(summary: Summary) -> str:
    """Returns which normalised scores are above 1 and why that can be, or nothing."""
    found: dict[tuple[str, str], list[str]] = {}
    for budget, results in summary["results"].items():
        for family, each in results.items():
            for name, row in each["rows"].items():
                above = [row[kind] for kind in ("normalised", "normalised_last") if row.get(kind) and row[kind]["value"] > 1]
                if above:
                    found.setdefault((family, _why_above(above, summary["scales"][family])), []).append(f"`{name}` ({budget})")
    said = [f"- {family}: {', '.join(names)}; {why}." for (family, why), names in found.items()]
    return "Scores above 1, of all episodes or of the last one:\n\n" + "\n".join(said) if said else ""


def _why_above(above: Sequence[dict[str, Any]], scale: dict[str, Any]) -> str:
    if scale["learned"]:
        return "the learned oracle is no upper bound"
    if any(each["low"] is not None and each["low"] > 1 for each in above):
        return "the interval excludes 1, so this is more than chance explains"
    return "within the interval, since returns on the test tasks are a sample"


def say_ranks(ranks: Ranks | None) -> str:
    """Returns how the ranks were made."""
    if ranks is None:
        return "Not shown yet: there is no task family in which all algorithms that run everywhere have been run."
    return (
        f"The mean rank of {len(ranks.algorithms)} rows by score: all that run in every task family, without `oracle`. Only "
        f"those task families count in which all of them have been run: {', '.join(ranks.families)}. A failed algorithm has the "
        "last rank. Bars are 95 % intervals, which resample the seeds of each algorithm in each task family."
    )


def normalised_table(results: dict[str, Any], runs: dict[str, list[str]], families: Sequence[str]) -> str:
    """Returns the numbers of the heat map with their intervals."""

    def cell(name: str, family: str) -> str:
        if family not in runs[name]:
            return "does not run"
        row = results.get(family, {}).get("rows", {}).get(name)
        return "not run yet" if row is None else "failed" if "failed" in row else _two_digits(row["normalised"])

    cells = [[f"`{name}`", *(cell(name, family) for family in families)] for name in ORDER if name in runs]
    return table_of(["algorithm", *(f"[{family}]({family}.md)" for family in families)], cells)


def _two_digits(estimate: dict[str, Any] | None) -> str:
    if estimate is None:
        return "no scale"
    value, low, high = (None if estimate[n] is None else f"{estimate[n]:.2f}" for n in ("value", "low", "high"))
    return f"{value}" if low is None else f"{value} [{low}, {high}]"


# The page of a task family


def say_scale(family: str, summary: Summary) -> str:
    """Returns the ends of the scale, and the optima of learning from one stream on it."""
    scale = summary["scales"].get(family, {"missing": "nothing has been run"})
    if "missing" in scale:
        return f"Scores are not normalised: {scale['missing']}."
    said = f"The scale of normalised scores: 0 is {number(scale['random'])} (random actions), 1 is {number(scale['upper'])} "
    said += f"(task known, {scale['label']})."
    rows = [row for results in summary["results"].values() for row in results.get(family, {}).get("rows", {}).values()]
    optima = {row["optimum"]: _experience(row["protocol"]) for row in rows if row.get("optimum") is not None}
    for value, steps in sorted(optima.items()):
        if value < scale["upper"]:
            said += f" The optimum of learning from one stream of {steps:,} steps is {number(value)} per episode, which is "
            said += f"{normalised(value, scale):.2f} on this scale."
    return said


def say_tasks(each: dict[str, Any]) -> str:
    """Returns the number of test tasks and their split."""
    if "split" not in each:
        return ""
    why = f" None are held out: {each['why_not_held_out']}." if each["why_not_held_out"] else ""
    return f"Test tasks: {each['num_test_tasks']:,}, split {each['split']}.{why}"


def scores_table(each: dict[str, Any]) -> str:
    """Returns all numbers of the algorithms in a task family, the best score first."""
    rows = {name: row for name, row in each["rows"].items() if "failed" not in row}
    headings = ["algorithm", "score", "normalised", "first", "last", "CVaR 20 %", "regressions", "steps in the task"]
    headings += ["training steps", "seconds"]
    cells = []
    for name in sorted(rows, key=lambda name: -rows[name]["score"]["value"]):
        row = rows[name]
        trained = row["outer_steps"] > 0
        cells.append(
            [
                f"`{name}`",
                interval(row["score"]),
                "—" if row["normalised"] is None else _two_digits(row["normalised"]),
                interval(row["first"]),
                interval(row["last"]),
                number(row["cvar"]["20"]),
                f"{row['regressions']:.2f}",
                _say_protocol(row["protocol"]),
                f"{row['env_steps']:,}" if trained else "—",
                f"{row['train_seconds']:.0f} + {row['compile_seconds']:.0f}" if trained else "—",
            ]
        )
    return table_of(headings, cells)


def experience_table(each: dict[str, Any]) -> str:
    """Returns the return of the next episode after each number of environment steps."""
    found = each["experience"]
    place = {name: index for index, name in enumerate(ORDER)}
    cells = []
    for row in sorted(found["rows"], key=lambda row: place[row["label"]]):
        texts = []
        for index, best in enumerate(found["best"]):
            text = number(row["next"]["value"][index])
            texts.append(f"**{text}**" if best == row["label"] else text)
        cells.append([f"`{row['label']}`", *texts])
    return table_of(["after steps", *(f"{steps:,}" for steps in found["budgets"])], cells)


def say_missing(each: dict[str, Any], family: str, runs: dict[str, list[str]]) -> str:
    """Returns what failed, what has not been run and what does not run in a task family."""
    errors = {name: row["failed"].replace("`", "'") for name, row in each["rows"].items() if "failed" in row}
    failed = [f"- `{name}` failed: `{error}`" for name, error in errors.items()]
    order = [name for name in ORDER if name in runs]
    waiting = [f"`{name}`" for name in order if family in runs[name] and name not in each["rows"]]
    absent = [f"`{name}`" for name in order if family not in runs[name]]
    lines = [*failed, *([f"- Not run yet: {', '.join(waiting)}."] if waiting else [])]
    lines += [f"- Do not run here, since they need other actions: {', '.join(absent)}."] if absent else []
    return "\n".join(lines)


def _experience(protocol: dict[str, int]) -> int:
    return protocol["num_streams"] * protocol["num_segments"] * protocol["segment_length"]


def _say_protocol(protocol: dict[str, int]) -> str:
    return f"{protocol['num_streams']} x {protocol['num_segments']} x {protocol['segment_length']}"
