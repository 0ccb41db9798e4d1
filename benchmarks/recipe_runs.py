"""Runs of recipes: trains one unless it is there, and scores it as the recipe was measured."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np

import jmeta
from jmeta import recipes
from jmeta.cli.arguments import evaluation_key
from jmeta.evaluation import Evaluation
from jmeta.loaded_run import LoadedRun
from jmeta.recipes import NamedRecipe
from jmeta.references import Random
from jmeta.types import PyTree

RANDOM_TASKS = 2000


def trained(run: Path, words: list[str], named: NamedRecipe) -> LoadedRun:
    """Returns the run that ``jmeta WORDS --out RUN`` trains, unless a finished one is there.

    Raises:
      SystemExit: if the run is there and not finished; the message says how to go on.
    """
    if not run.exists():
        subprocess.run([sys.executable, "-m", "jmeta", *words, "--out", str(run)], check=True)
    opened = jmeta.load(run)
    if opened.step != named.num_steps:
        raise SystemExit(f"{run} has {opened.step} of {named.num_steps} outer steps: jmeta resume {run}")
    return opened


def scored(
    opened: LoadedRun, named: NamedRecipe, theta: PyTree, seed: int, num_tasks: int
) -> tuple[Evaluation, np.ndarray, float]:
    """Scores theta on new tasks, in the protocol and on the split of the recipe.

    Returns:
      The evaluation, the score of each task [num_tasks], and the mean score of random actions.
    """
    tasks = opened.tasks.on_split(named.cell.split)
    score = partial(jmeta.evaluate, tasks=tasks, key=evaluation_key(seed), protocol=named.cell.protocol)
    result = score(opened.inner, theta=theta, num_tasks=num_tasks)
    at_random = score(Random(tasks.observation_size, tasks.action_space), theta=(), num_tasks=RANDOM_TASKS)
    of = named.measured.of
    return result, recipes.scores(result, of), float(recipes.scores(at_random, of).mean())
