"""How long a full evaluation takes, and that memory does not grow with the number of tasks: ``python -m benchmarks.evaluation``.

RL² with a GRU of 128 units lives 100 pulls of 10 arms in each task; each size runs in a process of its own, compiling included.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import jax

import jmeta
from jmeta.training.provenance import device, git_commit, versions

RESULTS = Path(__file__).parent / "results" / "evaluation.json"


def measure(num_tasks: int) -> dict[str, float]:
    """Evaluates a fresh agent on that many bandits, in this process."""
    outer = jmeta.algorithms.rl2(jmeta.tasks.BernoulliBandit(num_arms=10, num_pulls=100), hidden_size=128)
    theta = outer.inner.init(jax.random.key(0))
    started = time.perf_counter()
    result = jmeta.evaluate(
        outer.inner, outer.tasks.held_out, theta, jax.random.key(1), protocol=outer.protocol, num_tasks=num_tasks
    )
    return {
        "num_tasks": num_tasks,
        "seconds": round(time.perf_counter() - started, 2),
        "process_peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "mean_return": result.mean_return,
    }


def main() -> None:
    """Measures ten thousand and a hundred thousand tasks, and keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-tasks", type=int, help="measure this size here and print JSON")
    options = parser.parse_args()
    if options.num_tasks:
        print(json.dumps(measure(options.num_tasks)))
        return
    results = []
    for num_tasks in (10_000, 100_000):
        command = [sys.executable, "-m", "benchmarks.evaluation", "--num-tasks", str(num_tasks)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        results.append(json.loads(output.splitlines()[-1]))
        seconds, peak = results[-1]["seconds"], results[-1]["process_peak_bytes"] / 1e6
        print(f"{num_tasks:,} tasks: {seconds:.1f} s, process peak {peak:.0f} MB")
    record = {"results": results, "versions": versions(), "device": device(), "git_commit": git_commit()}
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
