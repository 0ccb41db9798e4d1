"""Results of a comparison as Markdown tables."""

from collections.abc import Sequence
from typing import Any

from jmeta.comparison.text import interval, number, say_budget, say_task, table_of

MOST_EPISODES = 8  # up to this many, a table shows every episode

DEFINITIONS = """\
- A **score** is the mean return of an episode, averaged over the episodes of a lifetime, for one training on one test task.
- **IQM** is the interquartile mean of all scores (the mean of their middle half), and **mean** is the mean of all scores.
  **Lifetime** is the mean return of a whole lifetime. Brackets are 95 % bootstrap intervals, which resample seeds and test tasks;
  a hand-written learner has no seeds to resample.
- **Normalised** is (mean - random) / (optimum - random), and **regret** is optimum - mean, per episode. Their intervals treat the
  random and the optimal score as constants. The optimum is for a lifetime of the same number of steps. If it is the optimum of
  learning from one stream, a dash stands in rows that have more information: several streams, or an oracle that is told the task.
- **To the best** is the mean of this row minus the mean of the best row, paired by test task. **P(beats the best)** is the
  probability that one training of this row scores higher than one training of the best row on the same task. The best row has
  the highest mean among the rows with the same experience (steps and streams), oracles excluded.
- **Adaptation length** is the number of environment steps, summed over streams, that a lifetime spends before the mean return
  settles at its final value. From then on the return stays within a tolerance of that value: 5 % of optimum - random where both
  are known, else 5 % of the final value, plus half the width of the interval. A dash means that the return has not settled.
- **Zero-shot** is the mean return of the first episode. **Final** is the mean return of the last quarter of the episodes.
- **CVaR 5 %** and **CVaR 20 %** are the mean score of the worst 5 % and 20 % of the test tasks, averaged over seeds first. They
  reflect chance within a lifetime as well as the difficulty of the tasks.
- **Regressions** is the share of test tasks on which the final return is below the zero-shot return, averaged over seeds; a tie
  counts half. By chance alone, an agent that does not adapt has about one half.
- **At equal experience**: the return of the next episode after so many environment steps in the task, all streams together. An
  agent is the one that began its last episode by then, so one that adapts after 400 steps is at 100 steps what it was at 0. The
  best agent at each number of steps is bold; oracles, which are told the task, are never the best. A dash means that the lifetime
  is over. **Earned until then** is the mean return of the episodes that began before the last of these: what adapting has cost.
- **Learning curves** show the return of the last episode of a lifetime on training tasks: the mean and the range over seeds.
- **Env steps** are the environment steps of meta-training, for each seed. **Wall-clock** is the time of training + compilation in
  seconds, for all seeds and variants together.
- **Published** are the scores of others as printed, whose measure may be another column of this table.
- **By segment** are means over all episodes that end within a segment, in which short episodes are more numerous, as in a batch
  of experience. The first row of an algorithm is the mean over its seeds.
"""


def markdown(summary: dict[str, Any]) -> str:
    """Returns all numbers of a summary as Markdown, with a table for each task family."""
    parts = [f"# {summary['name']}\n\n{_say_run(summary)}\n"]
    for task in summary["tasks"]:
        parts.append(f"## {task['task']}\n\n{say_task(task)}\n\n{_scores(task['rows'])}")
        lived = [row for row in task["rows"] if not row["failed"]]
        if lived:
            parts.append(f"Mean return of each episode of a lifetime:\n\n{_by_episode(lived)}")
            parts.append(f"At equal experience, the return of the next episode:\n\n{_by_budget(task['by_budget'])}")
        segmented = [row for row in lived if row["trajectories"] and several_segments(row)]
        if segmented:
            parts.append(f"Mean return of all episodes that end within each segment:\n\n{_by_segment(segmented)}")
        failed = [f"- {row['label']}: {row['failed']}" for row in task["rows"] if row["failed"] and row["ran"]]
        if failed:
            parts.append("Failed:\n\n" + "\n".join(failed) + "\n")
    if len(summary["tasks"]) > 1 and summary["suite"]:
        rows = [[row["label"], interval(row["iqm"]), interval(row["mean"])] for row in summary["suite"]]
        heading = "## All task families\n\nNormalised scores, averaged over tasks for each seed. Intervals resample seeds."
        parts.append(f"{heading}\n\n{table_of(['algorithm', 'IQM', 'mean'], rows)}")
    return "\n".join([*parts, "## What the columns mean\n", DEFINITIONS])


HEADINGS = [
    *("algorithm", "IQM", "mean", "normalised", "regret", "to the best", "P(beats the best)", "adaptation length", "zero-shot"),
    *("final", "CVaR 5 %", "CVaR 20 %", "regressions", "lifetime", "env steps", "wall-clock"),
]


def _scores(rows: Sequence[dict[str, Any]]) -> str:
    """Returns a table of the scores, with the published ones if there are any."""
    cells = [_cells(row) for row in rows]
    published = [", ".join(f"{whose} {score}" for whose, score in row["published"].items()) for row in rows]
    if not any(published):
        return table_of(HEADINGS, cells)
    return table_of([*HEADINGS, "published"], [[*row, text or "—"] for row, text in zip(cells, published, strict=True)])


def _cells(row: dict[str, Any]) -> list[str]:
    if row["failed"]:
        return [row["label"], "failed" if row["ran"] else row["failed"], *["—"] * (len(HEADINGS) - 2)]
    better = row["probability_of_beating_best"]
    trained = row["outer_steps"] > 0
    return [
        row["label"],
        *(interval(row[name]) for name in ("iqm", "mean", "normalised", "regret", "difference_to_best")),
        "—" if better is None else f"{better:.2f}",
        number(row["adaptation_length"]),
        *(interval(row[name]) for name in ("zero_shot", "final")),
        *(number(row["cvar"][percent]) for percent in ("5", "20")),
        number(row["regressions"]),
        interval(row["lifetime"]),
        f"{row['env_steps']:,}" if trained else "—",
        f"{row['train_seconds']:.1f} + {row['compile_seconds']:.1f}" if trained else "—",
    ]


def _by_episode(rows: list[dict[str, Any]]) -> str:
    """Returns a table of the return by episode; of many episodes, only some at growing distances and the last."""
    longest = max(len(row["curve"]["value"]) for row in rows)
    some = [n * 10**power for power in range(len(str(longest))) for n in (1, 2, 3, 5)]
    shown = range(1, longest + 1) if longest <= MOST_EPISODES else sorted({*(n for n in some if n < longest), longest})
    returns = [dict(enumerate(row["curve"]["value"], start=1)) for row in rows]
    cells = [[row["label"], *(number(known.get(n)) for n in shown)] for row, known in zip(rows, returns, strict=True)]
    return table_of(["episode", *map(str, shown)], cells)


def _by_budget(found: dict[str, Any]) -> str:
    """Returns a table of the return of the next episode after each budget, and of what was earned until then."""
    cells = []
    for row in found["rows"]:
        shown = []
        for index, best in enumerate(found["best"]):
            text = interval({name: row["next"][name][index] for name in ("value", "low", "high")})
            shown.append(f"**{text}**" if best == row["label"] else text)
        earned = next((each for each in reversed(row["earned"]) if each is not None), None)
        cells.append([row["label"], *shown, number(earned)])
    return table_of(["after steps", *(f"{budget:,}" for budget in found["budgets"]), "earned until then"], cells)


def several_segments(row: dict[str, Any]) -> bool:
    """Returns whether a row's lifetimes have several segments or streams, so that segments tell more than single episodes."""
    return row["protocol"]["num_segments"] > 1 or row["protocol"]["num_streams"] > 1


def _by_segment(rows: Sequence[dict[str, Any]]) -> str:
    """Returns a table of the return by segment, the mean over seeds and each seed."""
    lines = []
    for row in rows:
        by_seed = row["trajectories"]["by_seed"]
        lines.append((row["label"], row["trajectories"]["value"]))
        lines += [(f"{row['label']}, seed {seed}", returns) for seed, returns in by_seed.items()] if len(by_seed) > 1 else []
    longest = max(len(returns) for _, returns in lines)
    cells = [[label, *map(number, returns), *["—"] * (longest - len(returns))] for label, returns in lines]
    return table_of(["segment", *map(str, range(1, longest + 1))], cells)


def _say_run(summary: dict[str, Any]) -> str:
    ended = f" Ended early by {summary['interrupted_by']}." if summary["interrupted_by"] else ""
    return f"{summary['num_seeds']} seeds, from {summary['seed']} on; {say_budget(summary)}.{ended}"
