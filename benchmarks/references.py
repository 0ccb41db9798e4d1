"""What is attainable without meta-learning: hand-written learners on 100,000 held-out tasks, beside the published numbers.

    python -m benchmarks.references --table bandits --table tabular --num-tasks 100000

What is done is kept in ``results/references.json`` and not run again with as many tasks; a second sitting goes on from there.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

import jmeta
from jmeta.inner.base import InnerLearner
from jmeta.references import (
    BEB,
    OPSRL,
    PSRL,
    UCB1,
    UCRL2,
    EpsilonGreedy,
    GittinsIndex,
    Greedy,
    OptimisticThompsonSampling,
    Random,
    ReplanningIndex,
    ThompsonSampling,
)
from jmeta.tasks.bernoulli_bandit import BernoulliBandit
from jmeta.tasks.tabular_mdp import TabularMDP
from jmeta.training.provenance import device, git_commit, versions

RESULTS = Path(__file__).parent / "results" / "references.json"


@dataclasses.dataclass(frozen=True)
class Case:
    """One learner in one setting.

    Attributes:
      setting: as the tables have it.
      learner: with its constants, where they matter.
      tasks: what it is scored on.
      make: builds the learner from an observation size and an action space.
      published: the number to set beside it, None where there is none.
      source: of the number.
    """

    setting: str
    learner: str
    tasks: jmeta.tasks.TaskDistribution
    make: Callable[..., InnerLearner]
    published: float | None = None
    source: str = ""


def bandits() -> Iterator[Case]:
    """Duan et al. 2016, table 1, whose UCB1 is tuned for each setting; and this project's anchors for the Gittins index."""
    optimum = "anchor: optimum"
    duan = "Duan et al. 2016"
    published = {
        (10, 5): {"random": 5.0, "Thompson sampling": 5.7, "UCB1": 6.7},
        (10, 10): {"random": 5.0, "Thompson sampling": 5.5, "UCB1": 6.7},
        (100, 5): {"random": 49.9, "Thompson sampling": 74.7, "UCB1": 78.0},
        (100, 10): {"random": 49.9, "Thompson sampling": 76.7, "UCB1": 82.4},
        (500, 5): {"random": 249.8, "Thompson sampling": 402.0, "UCB1": 405.8},
        (500, 50): {"random": 249.6, "Thompson sampling": 427.2, "UCB1": 457.6},
    }
    optima = {(10, 5): 6.65999, (10, 10): 6.71395, (100, 5): 78.62, (100, 10): 83.77, (500, 5): 408.4, (500, 50): 465.1}
    for (pulls, arms), scores in published.items():
        tasks = BernoulliBandit(num_arms=arms, num_pulls=pulls).held_out
        case = partial(Case, f"{pulls} pulls, {arms} arms", tasks=tasks)
        gittins = partial(GittinsIndex.create, num_pulls=pulls)
        yield case("Gittins index", make=gittins, published=optima[pulls, arms], source=optimum)
        if pulls < 500:
            yield case("random", make=Random, published=scores["random"], source=duan)
            yield case("greedy", make=Greedy)
            yield case("epsilon-greedy 0.1", make=EpsilonGreedy)
            for constant in (0.05, 0.2):
                ucb1 = partial(UCB1, exploration=constant, prior=1.0)
                yield case(f"UCB1, constant {constant}, prior 1", make=ucb1, published=scores["UCB1"], source=duan)
            yield case("Thompson sampling", make=ThompsonSampling, published=scores["Thompson sampling"], source=duan)
            yield case("optimistic Thompson sampling", make=OptimisticThompsonSampling)


def tabular() -> Iterator[Case]:
    """Duan et al. 2016, table 2, whose posterior sampling has a prior mean of 0; the index is one of this project's anchors."""
    anchor, duan = "anchor", "Duan et al. 2016"
    published = {
        10: {"random": 100.1, "PSRL": 138.1, "OPSRL": 144.1, "UCRL2": 146.6, "BEB": 150.2, "index": 162.6},
        25: {"random": 250.2, "PSRL": 408.8, "OPSRL": 425.2, "UCRL2": 424.1, "BEB": 427.8, "index": 460.9},
        100: {"random": 999.4, "PSRL": 1939.5, "OPSRL": 1973.9, "UCRL2": 1942.1, "BEB": 1935.1, "index": 2037.0},
    }
    constants = {10: (0.8, 0.2, 0.5), 25: (1.2, 0.6, 1.0), 100: (1.2, 0.4, 0.5)}
    for episodes, scores in published.items():
        case = partial(Case, f"{episodes} episodes", tasks=TabularMDP(num_episodes=episodes).held_out)
        rewards, transitions, power = constants[episodes]
        index = partial(ReplanningIndex, num_episodes=episodes, reward_bonus=rewards, transition_bonus=transitions, power=power)
        yield case("replanning index", make=index, published=scores["index"], source=anchor)
        yield case("random", make=Random, published=scores["random"], source=duan)
        yield case("BEB 30, prior mean 0", make=partial(BEB, beta=30.0, prior_mean=0.0), published=scores["BEB"], source=duan)
        yield case("BEB 10", make=BEB)
        yield case("UCRL2 0.1", make=UCRL2, published=scores["UCRL2"], source=duan)
        yield case("PSRL, prior mean 0", make=partial(PSRL, prior_mean=0.0), published=scores["PSRL"], source=duan)
        yield case("PSRL", make=PSRL)
        yield case("OPSRL 10, prior mean 0", make=partial(OPSRL, prior_mean=0.0), published=scores["OPSRL"], source=duan)
        yield case("OPSRL 10", make=OPSRL)


TABLES = {"bandits": bandits, "tabular": tabular}


def score(case: Case, num_tasks: int, seed: int) -> dict[str, object]:
    """Lives ``num_tasks`` lifetimes and sums up."""
    started = time.perf_counter()
    inner = case.make(case.tasks.observation_size, case.tasks.action_space)
    protocol = jmeta.Protocol(num_segments=1, segment_length=case.tasks.lifetime_length, num_streams=1)
    result = jmeta.evaluate(inner, case.tasks, (), jax.random.key(seed), protocol=protocol, num_tasks=num_tasks)
    return {
        "setting": case.setting,
        "learner": case.learner,
        "mean": float(np.mean(result.lifetime_returns, dtype=np.float64)),
        "standard_error": result.standard_error,
        "published": case.published,
        "source": case.source,
        "num_tasks": num_tasks,
        "seed": seed,
        "seconds": round(time.perf_counter() - started, 1),
        "versions": versions(),
        "device": device(),
        "commit": git_commit(),
    }


def show(table: str, results: list[dict[str, object]], console: Console) -> None:
    """The table, published numbers beside the measured ones."""
    shown = Table("setting", "learner", "measured", "± s.e.", "tasks", "published", "by", title=table)
    for row in results:
        published = "" if row["published"] is None else f"{row['published']:g}"
        measured = f"{row['mean']:.4f}" if row["mean"] < 10 else f"{row['mean']:.2f}"
        tasks = f"{row['num_tasks']:,}"
        shown.add_row(row["setting"], row["learner"], measured, f"{row['standard_error']:.4f}", tasks, published, row["source"])
    console.print(shown)


def main() -> None:
    """Scores what is not done yet, keeps the results, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="append", choices=sorted(TABLES), help="only this one; may be repeated")
    parser.add_argument("--setting", action="append", help="only this one, as in '100 pulls, 5 arms'; may be repeated")
    parser.add_argument("--learner", action="append", help="only learners whose name begins so; may be repeated")
    parser.add_argument("--num-tasks", type=int, default=100_000, help="held-out tasks")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    console = Console()
    for table in options.table or TABLES:
        for case in TABLES[table]():
            if options.setting and case.setting not in options.setting:
                continue
            if options.learner and not case.learner.startswith(tuple(options.learner)):
                continue
            results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
            rows = results.setdefault(table, [])
            same = [row for row in rows if (row["setting"], row["learner"]) == (case.setting, case.learner)]
            if same and same[0]["num_tasks"] >= options.num_tasks:
                continue
            row = score(case, options.num_tasks, options.seed)
            rows[:] = [kept for kept in rows if kept not in same] + [row]
            order = [(c.setting, c.learner) for c in TABLES[table]()]
            rows.sort(key=lambda kept: order.index((kept["setting"], kept["learner"])))
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
            console.print(
                f"{row['setting']}, {row['learner']}: {row['mean']:.3f} ± {row['standard_error']:.3f}, {row['seconds']} s"
            )
        if RESULTS.exists():
            show(table, json.loads(RESULTS.read_text()).get(table, []), console)


if __name__ == "__main__":
    main()
