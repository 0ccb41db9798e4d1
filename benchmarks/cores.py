"""Cores along a sequence of 1,000 steps: all at once, against step by step.

    python -m benchmarks.cores

Each core of 64 units unrolls 4 sequences under ``vmap``, forwards and with its gradient, by its own ``unroll`` and by a scan of
single steps; medians over rounds in which the two take turns. Writes ``results/cores.json``.
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import ArrayLike
from rich.console import Console
from rich.table import Table

import jmeta  # noqa: F401  # settles how JAX runs on a CPU
from jmeta.networks import Core, CoreName, from_nnx, make_core
from jmeta.training.provenance import device, git_commit, versions

RESULTS = Path(__file__).parent / "results" / "cores.json"
LENGTH, SEQUENCES, SIZE, INPUTS, WINDOW, ROUNDS = 1000, 4, 64, 8, 1000, 7


def programs(name: CoreName) -> dict[str, tuple[Callable[..., Any], tuple[ArrayLike, ...]]]:
    """Compiled functions and their arguments: what is measured."""
    network = from_nnx(lambda rngs: make_core(name, INPUTS, SIZE, num_layers=1, window=WINDOW, rngs=rngs))
    theta = network.init(jax.random.key(0))
    xs = jax.random.normal(jax.random.key(1), (SEQUENCES, LENGTH, INPUTS))

    def at_once(theta: Any, xs: jax.Array) -> jax.Array:
        return network.apply(theta, network.apply(theta, method="initial_memory"), xs, method="unroll")[1]

    def by_steps(theta: Any, xs: jax.Array) -> jax.Array:
        step = lambda memory, x: network.apply(theta, memory, x)  # noqa: E731
        return jax.lax.scan(step, network.apply(theta, method="initial_memory"), xs)[1]

    def gradient(unroll: Callable[..., jax.Array]) -> Callable[..., Any]:
        return jax.grad(lambda theta, xs: jnp.sin(jax.vmap(unroll, (None, 0))(theta, xs)).sum())

    functions = {
        "unroll": jax.vmap(at_once, (None, 0)),
        "steps": jax.vmap(by_steps, (None, 0)),
        "unroll, gradient": gradient(at_once),
        "steps, gradient": gradient(by_steps),
    }
    return {what: (jax.jit(function).lower(theta, xs).compile(), (theta, xs)) for what, function in functions.items()}


def main() -> None:
    """Measures every core that has an unroll of its own, and the GRU beside them."""
    results = {}
    table = Table("core", "unroll ms", "steps ms", "ratio", "with gradient: unroll ms", "steps ms", "ratio")
    for name in get_args(CoreName):
        own = type(make_core(name, INPUTS, SIZE, num_layers=1, window=WINDOW, rngs=nnx.Rngs(0))).unroll is not Core.unroll
        if not own and name != "gru":
            continue
        compiled = programs(name)
        seconds: dict[str, list[float]] = {what: [] for what in compiled}
        for function, arguments in compiled.values():
            jax.block_until_ready(function(*arguments))
        for _ in range(ROUNDS):
            for what, (function, arguments) in compiled.items():
                started = time.perf_counter()
                jax.block_until_ready(function(*arguments))
                seconds[what].append(time.perf_counter() - started)
        results[name] = {what: statistics.median(times) for what, times in seconds.items()}
        ms = {what: 1000 * value for what, value in results[name].items()}
        cells = []
        for kind in ("", ", gradient"):
            unroll, steps = ms[f"unroll{kind}"], ms[f"steps{kind}"]
            cells += [f"{unroll:.1f}", f"{steps:.1f}", f"{steps / unroll:.1f}"]
        table.add_row(name, *cells)
    Console().print(table)
    record = {"seconds": results, "versions": versions(), "device": device(), "git_commit": git_commit()}
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
