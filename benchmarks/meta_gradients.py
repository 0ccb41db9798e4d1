"""What a meta-gradient costs, by how inner steps are differentiated: ``python -m benchmarks.meta_gradients``, on a quiet machine.

MAML on point navigation, 20 tasks x 20 trajectories x 100 steps for each of K inner steps, MLP 100-100; the gradient of one
meta-batch, all tasks at once on one device. Plain reverse-over-reverse, mixed mode (forward-over-reverse), each with
rematerialised inner steps too, and mixed mode over two trajectories of every task at a time. All give the same gradient, which
is checked. Each K in a process of its own, all modes in turns.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

import jmeta
from jmeta.training.provenance import device, git_commit, versions

RESULTS = Path(__file__).parent / "results" / "meta-gradients.json"
INNER_STEPS = (1, 3, 5, 10)
MODES = {
    "reverse": {"mixed_mode": False, "rematerialise": False},
    "reverse, rematerialised": {"mixed_mode": False, "rematerialise": True},
    "mixed": {"mixed_mode": True, "rematerialise": False},
    "mixed, 10 chunks": {"mixed_mode": True, "rematerialise": False, "stream_chunks": 10},
    "mixed, rematerialised": {"mixed_mode": True, "rematerialise": True},
}


def measure(num_inner_steps: int, rounds: int) -> dict[str, Any]:
    """All modes at one K, in this process."""
    rates = tuple(0.1 for _ in range(num_inner_steps))
    build = lambda **mode: jmeta.algorithms.maml(  # noqa: E731
        jmeta.tasks.PointNavigation(), num_inner_steps=num_inner_steps, inner_rates=rates, microbatch_size=20, **mode
    )
    outers = {name: build(**mode) for name, mode in MODES.items()}
    outer = outers["mixed"]
    state = jax.jit(outer.init)(jax.random.key(0))
    group, _ = jax.jit(outer.gather)(state, jax.random.split(jax.random.key(1), outer.num_tasks))
    programs, found, reference = {}, {}, np.zeros(0)
    for name, outer in outers.items():
        started = time.perf_counter()
        programs[name] = (
            jax.jit(lambda theta, group, outer=outer: outer.gradient(theta, group)[0]).lower(state.theta, group).compile()
        )
        found[name] = {
            "compile_seconds": time.perf_counter() - started,
            "temporary_bytes": programs[name].memory_analysis().temp_size_in_bytes,
            "seconds": [],
        }
        gradient = np.concatenate([np.ravel(x) for x in jax.tree.leaves(programs[name](state.theta, group))])
        reference = gradient if name == "reverse" else reference
        found[name]["difference"] = float(np.abs(gradient - reference).max() / np.abs(reference).max())
    for _ in range(rounds):
        for name, program in programs.items():
            started = time.perf_counter()
            jax.block_until_ready(program(state.theta, group))
            found[name]["seconds"].append(time.perf_counter() - started)
    return {name: result | {"seconds": float(np.median(result["seconds"]))} for name, result in found.items()}


def main() -> None:
    """Measures every K, prints the table and keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inner-steps", type=int, help="measure this K here and print JSON")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    if options.inner_steps:
        print(json.dumps(measure(options.inner_steps, options.rounds)))
        return
    table = Table("K", "mode", "temporary MB", "ms", "compile s", "relative difference")
    results = {}
    for number in INNER_STEPS:
        command = [
            sys.executable,
            "-m",
            "benchmarks.meta_gradients",
            "--inner-steps",
            str(number),
            "--rounds",
            str(options.rounds),
        ]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        results[number] = json.loads(output.splitlines()[-1])
        for name, r in results[number].items():
            figures = (r["temporary_bytes"] / 1e6, 1e3 * r["seconds"], r["compile_seconds"])
            table.add_row(str(number), name, *(f"{x:.1f}" for x in figures), f"{r['difference']:.1e}")
    Console().print(table)
    record = {"results": results, "versions": versions(), "device": device(), "git_commit": git_commit()}
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
