"""Does anything hang? Runs the vmapped-seeds form of both trainings again and again, each in a fresh process with a time limit.

Two batched LAPACK calls at once can stop jaxlib 0.10 at 0 % CPU on an idle machine of two cores, so jmeta's programs call none.
``--scheduler`` turns XLA's concurrency-optimised scheduler back on, which ``jmeta._runtime`` turns off.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import jax
from rich.console import Console
from rich.table import Table

import jmeta
from jmeta.outer.base import OuterLearner
from jmeta.parallel import task_mesh
from jmeta.training.provenance import device, versions

RESULTS = Path(__file__).parent / "results" / "hangs.json"
NUM_SEEDS, NUM_CHUNKS, STEPS_PER_CHUNK = 4, 4, 5


def learner(name: str) -> OuterLearner:
    """Small, so that twenty runs of each take minutes, with the programs' full structure."""
    if name == "rl2":
        return jmeta.algorithms.rl2(jmeta.tasks.BernoulliBandit(), num_tasks=512)
    return jmeta.algorithms.maml(jmeta.tasks.PointNavigation(), num_tasks=8)


def run(name: str) -> None:
    """Trains ``NUM_SEEDS`` seeds in one program."""
    outer = learner(name)
    keys = jax.random.split(jax.random.key(0), NUM_SEEDS)
    with jax.set_mesh(task_mesh()):
        states = jax.jit(jax.vmap(outer.init))(keys)

        @jax.jit
        def chunk(states, keys):
            step = jax.vmap(outer.step)
            per_step = jax.vmap(lambda key: jax.random.split(key, STEPS_PER_CHUNK), out_axes=1)(keys)
            return jax.lax.scan(step, states, per_step)

        for index in range(NUM_CHUNKS):
            states, metrics = jax.block_until_ready(chunk(states, jax.vmap(jax.random.fold_in, (0, None))(keys, index)))
    print(float(metrics["return/after"].mean()))


def main() -> None:
    """Counts the runs that finish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", choices=("rl2", "maml"), help="one training in this process")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--limit", type=float, default=180.0, help="seconds after which a run counts as hung")
    parser.add_argument("--scheduler", action="store_true", help="with XLA's concurrency-optimised scheduler")
    parser.add_argument("--json", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.run:
        run(options.run)
        return
    environment = dict(os.environ)
    if options.scheduler:
        environment["XLA_FLAGS"] = "--xla_cpu_enable_concurrency_optimized_scheduler=true"
    table = Table("training", "runs", "finished", "hung", "seconds, median", "longest")
    results = {}
    for name in ("rl2", "maml"):
        seconds, hung = [], 0
        for _ in range(options.times):
            started = time.perf_counter()
            command = [sys.executable, "-m", "benchmarks.hangs", "--run", name]
            try:
                subprocess.run(command, check=True, capture_output=True, timeout=options.limit, env=environment)
                seconds.append(time.perf_counter() - started)
            except subprocess.TimeoutExpired:
                hung += 1
        seconds.sort()
        median = seconds[len(seconds) // 2] if seconds else float("nan")
        longest = seconds[-1] if seconds else float("nan")
        results[name] = {"finished": len(seconds), "hung": hung, "median_seconds": median, "longest_seconds": longest}
        table.add_row(name, str(options.times), str(len(seconds)), str(hung), f"{median:.1f}", f"{longest:.1f}")
    Console().print(table)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    record = {"results": results, "scheduler": options.scheduler, "versions": versions(), "device": device()}
    options.json.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
