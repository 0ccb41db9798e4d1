"""The command line of the bench; see the package."""

import argparse

from benchmarks import bench
from benchmarks.bench.run import BUDGETS, DATA, run


def main() -> None:
    parser = argparse.ArgumentParser(description=bench.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", choices=tuple(BUDGETS), help="one of the budgets; both by default")
    parser.add_argument("--task", action="append", default=[], help="a task family; may be repeated; all by default")
    parser.add_argument("--algorithm", action="append", default=[], help="an algorithm; may be repeated; all by default")
    arguments = parser.parse_args()
    for budget in [arguments.budget] if arguments.budget else BUDGETS:
        outcome = run(budget, DATA, tasks=arguments.task, algorithms=arguments.algorithm)
        for result in outcome.failed:
            print(f"{result.cell.name} failed: {result.error}")
        if outcome.interrupted_by:
            break


if __name__ == "__main__":
    main()
