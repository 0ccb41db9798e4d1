"""Mutation testing: ``make mutants`` changes one line at a time in a copy of the tree, and the tests must notice.

    python tests/mutants/run.py                            all of them
    python tests/mutants/run.py gae sac 17                 by a part of the name or file, or by number
    python tests/mutants/run.py --sample 10 --seed COMMIT  ten, chosen by the seed
    python tests/mutants/run.py --list

A mutant is *killed* if a test that its entry names fails, and it *survives* if all pass. Its file must still compile and import,
so what kills it is a test and nothing else. First the same tests run on the tree as it is, where all must pass. The exit status
is 0 only if every mutant is killed.
"""

import argparse
import concurrent.futures
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.mutants.mutants import ROOT, Mutant, choose, read_list

LEAVE_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "runs", "build", "dist", "notebooks", "results")
XLA_FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true --xla_cpu_use_fusion_emitters=false"
TESTS_PASS, TESTS_FAIL = 0, 1  # of pytest's exit statuses; the others are mistakes of collection or usage


RUN_PYTEST = """
import importlib, sys, traceback
try:
    module = importlib.import_module(sys.argv[1])
    assert module.__file__.startswith(sys.argv[2]), f"{module.__file__} is not the copy's"
except Exception as error:
    traceback.print_exc()
    sys.exit(70)
import pytest
sys.exit(pytest.main(sys.argv[3:]))
"""


class Outcome(NamedTuple):
    """What became of a mutant."""

    mutant: Mutant
    verdict: str  # killed, survived, timed out, broken
    seconds: float
    output: str


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wanted", nargs="*", help="numbers, or parts of names or files; all mutants by default")
    parser.add_argument("--list", action="store_true", help="show the list, and run nothing")
    parser.add_argument("--sample", type=int, metavar="N", help="run N of them, chosen by --seed")
    parser.add_argument("--seed", default="0", help="any text, such as the hash of a commit (default 0)")
    parser.add_argument("--workers", type=int, default=2, help="mutants at once (default 2)")
    parser.add_argument("--timeout", type=int, default=300, help="seconds for the tests of one mutant (default 300)")
    arguments = parser.parse_args()
    try:
        every = read_list()
        check_texts(every)
        mutants = choose(every, arguments.wanted) if arguments.wanted else every
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if arguments.sample is not None:
        mutants = random.Random(arguments.seed).sample(mutants, min(arguments.sample, len(mutants)))
    if arguments.list:
        numbers = {mutant.name: number for number, mutant in enumerate(every, start=1)}
        for mutant in mutants:
            print(f"{numbers[mutant.name]:4} {mutant.name:44} {mutant.kind:14} {mutant.file}{'  (slow)' * mutant.slow}")
        return 0
    with tempfile.TemporaryDirectory(prefix="jmeta-mutants-") as directory:
        trees = [Path(directory, str(number)) for number in range(arguments.workers)]
        for tree in trees:
            shutil.copytree(ROOT, tree, ignore=LEAVE_OUT)
        return run(mutants, trees, arguments.timeout)


def check_texts(mutants: list[Mutant]) -> None:
    """Raises ValueError that names all whose text is not in the sources as they are now."""
    wrong = []
    for mutant in mutants:
        try:
            mutant.text()
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError("\n".join(wrong))


def run(mutants: list[Mutant], trees: list[Path], timeout: int) -> int:
    """Runs each mutant in a tree of its own for the while, reports, and returns the exit status."""
    began = time.monotonic()
    print(f"{len(mutants)} mutants; first the tests and files of tests that they name, on the tree as it is", flush=True)
    for slow in (False, True):
        tests = sorted({test for mutant in mutants if mutant.slow == slow for test in mutant.tests.split()})
        more = ["-n", str(len(trees)), "--dist", "loadfile"]
        if tests and (baseline := pytest(trees[0], tests, slow=slow, more=more)).returncode != TESTS_PASS:
            print(f"{baseline.stdout}\nerror: tests that mutants name do not pass on the tree as it is", file=sys.stderr)
            return 2
    print(f"they pass, in {time.monotonic() - began:.0f} s", flush=True)

    free: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for tree in trees:
        free.put(tree)

    def in_a_free_tree(mutant: Mutant) -> Outcome:
        tree = free.get()
        try:
            return put_to_the_test(mutant, tree, timeout)
        finally:
            free.put(tree)

    outcomes = []
    with concurrent.futures.ThreadPoolExecutor(len(trees)) as pool:
        for each in concurrent.futures.as_completed([pool.submit(in_a_free_tree, mutant) for mutant in mutants]):
            outcome = each.result()
            outcomes.append(outcome)
            print(f"{outcome.verdict:9} {outcome.seconds:5.0f} s  {outcome.mutant.name:44} {outcome.output}", flush=True)
    survivors = [outcome for outcome in outcomes if outcome.verdict != "killed"]
    for outcome in survivors:
        mutant = outcome.mutant
        print(f"\n{outcome.verdict}: {mutant.name}, {mutant.path}\n  - {mutant.old}\n  + {mutant.new}\n  by {mutant.tests}")
    killed = len(outcomes) - len(survivors)
    print(f"\n{killed} of {len(outcomes)} killed, in {(time.monotonic() - began) / 60:.1f} minutes")
    return 1 if survivors else 0


def put_to_the_test(mutant: Mutant, tree: Path, timeout: int) -> Outcome:
    """Changes the tree, runs the mutant's tests there, and changes it back."""
    file, began = tree / mutant.path, time.monotonic()
    source = file.read_text()
    file.write_text(mutant.text(tree))
    try:
        result = pytest(tree, mutant.tests.split(), slow=mutant.slow, more=["-x"], imports=mutant.module, timeout=timeout)
    except subprocess.TimeoutExpired:
        return Outcome(mutant, "timed out", time.monotonic() - began, f"after {timeout} s")
    finally:
        file.write_text(source)
    seconds = time.monotonic() - began
    if result.returncode == TESTS_PASS:
        return Outcome(mutant, "survived", seconds, "")
    if result.returncode != TESTS_FAIL:
        last = next((line for line in reversed((result.stdout + result.stderr).splitlines()) if line.strip()), "")
        return Outcome(mutant, "broken", seconds, f"its tests could not run: {last}")
    failed = [line for line in result.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return Outcome(mutant, "killed", seconds, failed[0].removeprefix("FAILED ")[:150] if failed else "")


def pytest(
    tree: Path, tests: list[str], *, slow: bool, more: list[str], imports: str = "jmeta", timeout: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs tests in a tree, as ``make test`` compiles them, once a module there can be imported."""
    marks = "not learning and not plan" if slow else "not learning and not slow and not plan"
    arguments = ["-q", "--tb=line", "-p", "no:cacheprovider", "-m", marks, *more, *tests]
    command = [sys.executable, "-c", RUN_PYTEST, imports, str(tree), *arguments]
    return subprocess.run(command, cwd=tree, env=environment(tree), capture_output=True, text=True, timeout=timeout)


def environment(tree: Path) -> dict[str, str]:
    """Of processes that use the packages in ``tree``, no byte code of another, and one compilation cache for all."""
    ours = {
        "PYTHONPATH": f"{tree / 'src'}{os.pathsep}{tree}",
        "PYTHONDONTWRITEBYTECODE": "1",  # a change within a second that keeps a file's length would go unnoticed
        "XLA_FLAGS": XLA_FLAGS,
        "JAX_NUM_CPU_DEVICES": "2",  # as tests/conftest.py has it, which is read after the first import
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.3",
        "MPLBACKEND": "agg",
        "JAX_COMPILATION_CACHE_DIR": os.environ.get("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".cache" / "jax")),
    }
    return os.environ | ours


if __name__ == "__main__":
    sys.exit(main())
