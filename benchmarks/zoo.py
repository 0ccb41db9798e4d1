"""Trains and scores the agents of the zoo, and writes their files with their cards into ``src/jmeta/zoo/agents``.

    python -m benchmarks.zoo RUNS [NAME ...]

Each agent of ``zoo.toml``, or those that are named, is trained by ``jmeta train --recipe NAME --seed SEED`` into the directory
RUNS, unless a finished run is there, and then scored on new held-out tasks.
"""

import argparse
import tomllib
from pathlib import Path

import jax
import numpy as np

from benchmarks.recipe_runs import scored, trained
from jmeta import recipes
from jmeta.zoo import AGENTS, Card, pack, unpack, write_agent

LIST = Path(__file__).with_name("zoo.toml")
LARGEST = 300 * 1024
"""Largest file in bytes."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Train and score the agents of the zoo.")
    parser.add_argument("runs", type=Path, help="directory of the runs")
    parser.add_argument("names", nargs="*", help="agents of zoo.toml; all by default")
    arguments = parser.parse_args()
    entries = tomllib.loads(LIST.read_text("utf-8"))
    for name in arguments.names or entries:
        print(make(arguments.runs, name, **entries[name]))


def make(runs: Path, name: str, *, seed: int, num_tasks: int, limits: str, eight_bits: bool = False) -> str:
    """Trains an agent if that has not been done, scores it and writes its file; returns a line about it."""
    named = recipes.get(name)
    words = ["train", "--recipe", name, "--seed", str(seed)]
    opened = trained(runs / name.replace("/", "-"), words, named)
    tensors = pack(opened.theta, eight_bits=eight_bits)
    theta = jax.tree.unflatten(jax.tree.structure(opened.theta), unpack(tensors))  # what is scored is what is stored
    result, each, random = scored(opened, named, theta, seed, num_tasks)
    card = Card(
        recipe=name,
        seed=seed,
        command=" ".join(["jmeta", *words, "--out DIR"]),
        outer_steps=opened.step,
        env_steps=opened.step * opened.outer.num_env_steps,
        score=_rounded(each.mean()),
        standard_error=_rounded(each.std(ddof=1) / np.sqrt(len(each))),
        of=named.measured.of,
        num_tasks=num_tasks,
        split=named.cell.split,
        protocol=named.cell.protocol,
        episode_returns=tuple(map(_rounded, result.episode_returns.mean(0))),
        random=_rounded(random),
        optimum=named.measured.optimum,
        optimum_label=named.measured.optimum_label,
        versions=opened.config["versions"],
        limits=limits,
    )
    file = AGENTS / f"{name.replace('/', '--')}.safetensors"
    write_agent(file, tensors, {key: opened.config[key] for key in ("recipe", "versions")}, card)
    if file.stat().st_size > LARGEST:
        raise SystemExit(f"{file} is {file.stat().st_size / 1024:.0f} kB: more than {LARGEST // 1024}")
    known = f"{named.measured.score} ± {named.measured.standard_error or named.measured.interval}"
    return f"{name}: {card.score} ± {card.standard_error}, {file.stat().st_size / 1024:.0f} kB; its recipe: {known}"


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


if __name__ == "__main__":
    main()
