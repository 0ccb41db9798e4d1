"""An outer step of MAML: ``python -m benchmarks.maml_step``, on a quiet machine.

Two parts, each in a process of its own. How fast it is and how soon it learns: point navigation, 20 tasks x 20 trajectories x
100 steps, one inner step, MLP 64-64, with the trust region (ten conjugate-gradient steps) and with Adam. The best-tuned public
PyTorch code takes 4.4 s an outer step on such a machine, and gets to -30 after adaptation in 40 s, to -20 in 67 s, to -15 in
106 s. And thousands of tasks: one outer step with 4,096 tasks x 4 trajectories x 50 steps, a microbatch at a time, against all
at once.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

import jmeta
from jmeta.outer.on_policy import OnPolicy
from jmeta.parallel import task_mesh
from jmeta.training.memory import needed_by
from jmeta.training.provenance import device, git_commit, versions

RESULTS = Path(__file__).parent / "results" / "maml-step.json"
MARKS = (-30.0, -20.0, -15.0)
SMOOTHED = 3  # outer steps whose mean must reach a mark


def learners() -> dict[str, OnPolicy]:
    """What is timed."""
    tasks = jmeta.tasks.PointNavigation()
    return {
        "trust region": jmeta.algorithms.maml_trpo(tasks, widths=(64, 64)),
        "Adam": jmeta.algorithms.maml(tasks, widths=(64, 64), learning_rate=3e-3),
    }


def speed(seconds: float) -> dict[str, Any]:
    """Compile time, seconds an outer step, and seconds after compiling until each mark is reached."""
    found = {}
    for name, outer in learners().items():
        with jax.set_mesh(task_mesh()):
            state = jax.jit(outer.init)(jax.random.key(0))
            started = time.perf_counter()
            step = jax.jit(outer.step, donate_argnums=0).lower(state, jax.random.key(0)).compile()
            compile_seconds = time.perf_counter() - started
            returns: list[float] = []
            ends = [time.perf_counter()]
            reached: dict[str, float] = {}
            while ends[-1] - ends[0] < seconds:
                state, metrics = step(state, jax.random.fold_in(jax.random.key(1), len(returns)))
                returns.append(float(metrics["return/after"]))
                ends.append(time.perf_counter())
                for mark in MARKS:
                    if len(returns) >= SMOOTHED and np.mean(returns[-SMOOTHED:]) >= mark:
                        reached.setdefault(f"{mark:g}", ends[-1] - ends[0])
        found[name] = {
            "compile_seconds": compile_seconds,
            "seconds_per_step": float(np.median(np.diff(ends))),
            "seconds_to": reached,
            "last_return": float(np.mean(returns[-SMOOTHED:])),
        }
    return found


def thousands() -> dict[str, Any]:
    """Memory and gradient of one outer step on 4,096 tasks, in microbatches and all at once; one device."""
    tasks = jmeta.tasks.PointNavigation(horizon=50)
    outer = jmeta.algorithms.maml(tasks, num_tasks=4096, num_streams=4)
    state = jax.jit(outer.init)(jax.random.key(0))
    started = time.perf_counter()
    step = jax.jit(outer.step).lower(state, jax.random.key(1)).compile()
    compile_seconds = time.perf_counter() - started
    started = time.perf_counter()
    jax.block_until_ready(step(state, jax.random.key(1)))
    step_seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    group, _ = jax.jit(outer.gather)(state, jax.random.split(jax.random.key(1), outer.num_tasks))

    def gradient(outer: OnPolicy) -> tuple[np.ndarray, int]:
        function: Callable[..., Any] = lambda theta, group: outer.gradient(theta, group)[0]  # noqa: E731
        program = jax.jit(function).lower(state.theta, group).compile()
        leaves = jax.tree.leaves(program(state.theta, group))
        return np.concatenate([np.ravel(leaf) for leaf in leaves]), needed_by(program).temporary

    chunked, chunked_bytes = gradient(outer)
    whole, whole_bytes = gradient(outer.replace(microbatch_size=outer.num_tasks))
    return {
        "compile_seconds": compile_seconds,
        "step_seconds": step_seconds,
        "peak_bytes": peak,
        "gradient_bytes": chunked_bytes,
        "gradient_bytes_all_at_once": whole_bytes,
        "relative_difference": float(np.abs(chunked - whole).max() / np.abs(whole).max()),
    }


def main() -> None:
    """Measures both parts, prints them and keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["speed", "thousands"], help="measure this here and print JSON")
    parser.add_argument("--seconds", type=float, default=60.0, help="of training in the first part, for each learner")
    options = parser.parse_args()
    if options.part:
        print(json.dumps(speed(options.seconds) if options.part == "speed" else thousands()))
        return

    def elsewhere(part: str, num_devices: int) -> Any:
        command = [sys.executable, "-m", "benchmarks.maml_step", "--part", part, "--seconds", str(options.seconds)]
        environment = {"JAX_NUM_CPU_DEVICES": str(num_devices)}
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | environment).stdout
        return json.loads(output.splitlines()[-1])

    results = {"speed": elsewhere("speed", 2), "thousands": elsewhere("thousands", 1)}
    table = Table("outer optimiser", "compile s", "s an outer step", *(f"s to {mark:g}" for mark in MARKS), "last")
    for name, r in results["speed"].items():
        marks = [f"{r['seconds_to'][key]:.1f}" if (key := f"{mark:g}") in r["seconds_to"] else "" for mark in MARKS]
        table.add_row(name, f"{r['compile_seconds']:.1f}", f"{r['seconds_per_step']:.3f}", *marks, f"{r['last_return']:.1f}")
    Console().print(table)
    r = results["thousands"]
    Console().print(
        f"4,096 tasks: {r['step_seconds']:.1f} s an outer step, peak {r['peak_bytes'] / 2**30:.2f} GiB; gradient "
        f"{r['gradient_bytes'] / 2**20:.0f} MiB in microbatches, {r['gradient_bytes_all_at_once'] / 2**20:.0f} MiB all at once, "
        f"relative difference {r['relative_difference']:.1e}",
        highlight=False,
    )
    record = {"results": results, "versions": versions(), "device": device(), "git_commit": git_commit()}
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
