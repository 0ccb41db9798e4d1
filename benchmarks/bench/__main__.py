"""The command line of the bench; see the package."""

import argparse

from benchmarks import bench
from benchmarks.bench.run import BUDGETS, DATA, run
from benchmarks.bench.summary import write_summary


def main() -> None:
    parser = argparse.ArgumentParser(description=bench.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", choices=tuple(BUDGETS), help="one of the budgets; both by default")
    parser.add_argument("--task", action="append", default=[], help="a task family; may be repeated; all by default")
    parser.add_argument("--algorithm", action="append", default=[], help="an algorithm; may be repeated; all by default")
    parser.add_argument("--only-summary", action="store_true", help="write data/summary.json of what is there, and run nothing")
    arguments = parser.parse_args()
    if not arguments.only_summary:
        run_all(arguments)
    write_summary(DATA)


def run_all(arguments: argparse.Namespace) -> None:
    """Runs what the options name, and says what failed."""
    for budget in [arguments.budget] if arguments.budget else BUDGETS:
        outcome = run(budget, DATA, tasks=arguments.task, algorithms=arguments.algorithm)
        for result in outcome.failed:
            print(f"{result.cell.name} failed: {result.error}")
        if outcome.interrupted_by:
            break


if __name__ == "__main__":
    main()
