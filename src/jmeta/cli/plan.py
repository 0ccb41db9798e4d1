"""``jmeta plan``."""

import dataclasses
from functools import partial
from typing import Annotated

import tyro

from jmeta.cli.command import command
from jmeta.cli.console import say
from jmeta.cli.learner_command import LearnerCommand
from jmeta.outer.base import OuterLearner
from jmeta.planning import Topology, fit_report, largest_that_fits, plan, report
from jmeta.registry import build, find_algorithm, settings
from jmeta.training.run_config import Recipe


@dataclasses.dataclass(frozen=True)
class PlanOptions:
    """What is planned for."""

    topology: str = "cpu"
    """devices, which need not be here: v5e:4x4 (a grid of TPUs; also v5p, v6e), h200:8 (GPUs; also h100, a100), or cpu:2"""
    fit: Annotated[bool, tyro.conf.arg(help="also find the largest number of tasks that fits, by doubling it")] = False


@command("plan", "What an outer step would need on hardware that is not here: jmeta plan ALGORITHM --task TASK.")
def plan_command(args: list[str]) -> int:
    """Compiles an outer step for a topology, prints what it needs there, and returns the exit status."""
    parsed = LearnerCommand("plan", PlanOptions(), "--topology v5e:4x4").parse(args)
    if parsed is None:
        return 0
    topology = Topology.parse(parsed.options.topology)
    outer = build(parsed.recipe)
    outer.check_devices(topology.num_devices)
    say(f"compiling for {topology.name}" if topology.compiles else f"tracing for {topology.name}")
    print(report(plan(outer, topology)), end="")
    if not parsed.options.fit:
        return 0
    name = "num_training_tasks" if "num_training_tasks" in settings(find_algorithm(parsed.recipe.algorithm)) else "num_tasks"
    say(f"looking for the largest {name} that fits")
    now = int(parsed.recipe.algorithm_fields[name])
    print("\n" + fit_report(name, largest_that_fits(partial(sized, parsed.recipe, name), topology, now)), end="")
    return 0


def sized(recipe: Recipe, name: str, number: int) -> OuterLearner:
    """Returns a recipe's learner with another number of tasks, all of which collect experience in an outer step."""
    fields = recipe.algorithm_fields | ({"num_tasks": None} if name != "num_tasks" else {}) | {name: number}
    return build(dataclasses.replace(recipe, algorithm_fields=fields))
