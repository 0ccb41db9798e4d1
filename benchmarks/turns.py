"""The cases of ``make bench`` in this tree and in another one, in turns, so that both meet the same moods of the machine.

    git worktree add ../before COMMIT
    python -m benchmarks.turns ../before

Each case is compiled once in a process of each tree. Then the two take steps in turns, about a second at a time. Printed are the
throughput of this tree over that of the other, as the median of all pairs with its quartiles, and seconds and memory of both.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

try:
    from benchmarks import throughput
except ImportError:  # in a process of a tree in which benchmarks were no package
    import throughput  # type: ignore[import-not-found,no-redef]

SECONDS_PER_TURN, SECONDS = 0.7, 25.0  # of each tree; turns are 6 at least and 40 at most
HERE = Path(__file__).parents[1]


class Tree:
    """A process that takes outer steps of a case with the library of a tree."""

    def __init__(self, tree: Path, case: str):
        paths = [tree / "src", tree, tree / "benchmarks"]  # the last one for trees in which benchmarks were no package
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
        command = [sys.executable, "-P", __file__, str(tree), "--steps", "--case", case]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=tree
        )
        self.compiled = json.loads(self._answer())

    def ask(self, number: int) -> float:
        """Returns the seconds that outer steps take; for 0 steps, the peak memory of the process in MB."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{number}\n")
        self.process.stdin.flush()
        return float(self._answer())

    def _answer(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the process of {self.process.args} ended")
        return line


def take_steps(case: str) -> None:
    """Compiles a case of the tree that is on the path; then answers each number on standard input, until a 0."""
    import jax
    import jax.numpy as jnp
    from jax.sharding import NamedSharding

    outer = throughput.CASES[case]().outer
    with jax.set_mesh(throughput.task_mesh()):
        layout = jax.tree.map(partial(NamedSharding, throughput.task_mesh()), throughput.STATE_LAYOUT)
        state: Any = jax.jit(outer.init, out_shardings=layout)(jax.random.key(0))

        def chunk(state: Any, key: jax.Array, count: jax.Array) -> Any:
            return jax.lax.fori_loop(0, count, lambda i, state: outer.step(state, jax.random.fold_in(key, i))[0], state)

        started = time.perf_counter()
        program = jax.jit(chunk).lower(state, jax.random.key(1), jnp.int32(1)).compile()
        took = time.perf_counter() - started
        state = jax.block_until_ready(program(state, jax.random.key(1), jnp.int32(1)))
        print(json.dumps({"seconds": took, "temporary": program.memory_analysis().temp_size_in_bytes / 1e6}), flush=True)
        for seed, line in enumerate(sys.stdin, start=2):
            if not int(line):
                break
            started = time.perf_counter()
            state = jax.block_until_ready(program(state, jax.random.key(seed), jnp.int32(int(line))))
            print(time.perf_counter() - started, flush=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, flush=True)


def compare(case: str, other: Path) -> str:
    """Returns a line about a case in both trees."""
    trees = [Tree(other, case), Tree(HERE, case)]
    for tree in trees:
        one = tree.ask(1)
    number = max(1, round(SECONDS_PER_TURN / one))
    turns = max(6, min(40, round(SECONDS / (one * number))))
    took = []
    for turn in range(turns):
        order = (0, 1) if turn % 2 else (1, 0)
        each = {index: trees[index].ask(number) / number for index in order}
        took.append((each[0], each[1]))
    low, median, high = statistics.quantiles([before / after for before, after in took], n=4)
    peaks = [tree.ask(0) for tree in trees]
    seconds = [statistics.median(side) for side in zip(*took, strict=True)]
    compiled = [tree.compiled["seconds"] for tree in trees]
    temporary = [tree.compiled["temporary"] for tree in trees]
    pairs = "; ".join(
        f"{what} {before:{form}}, {after:{form}}"
        for what, form, (before, after) in (
            ("s an outer step", ".4f", seconds),
            ("s to compile", ".1f", compiled),
            ("temporary MB", ".1f", temporary),
            ("peak MB", ".0f", peaks),
        )
    )
    return f"{case}: {median:.3f} [{low:.3f}, {high:.3f}] times the throughput, {turns} pairs; there and here: {pairs}"


def main() -> None:
    """Compares all cases, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="the top of the other tree")
    parser.add_argument("--case", action="append", choices=throughput.CASES, help="only this one; may be repeated")
    parser.add_argument("--steps", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.steps:
        take_steps(options.case[0])
        return
    for case in options.case or throughput.CASES:
        print(compare(case, options.other.resolve()), flush=True)


if __name__ == "__main__":
    main()
