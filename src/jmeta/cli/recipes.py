"""Recipes as text: the list with the scores that they reached, and one with its settings."""

import math
import textwrap
from typing import Any

from jmeta import recipes
from jmeta.cli.plain import TASK_PREFIX, flag, words
from jmeta.recipes import SCORES, Measured, NamedRecipe

DIGITS = 4  # significant ones of a score, at most
BELOW = (
    "± is the standard error: over test tasks with one seed, else over seeds. Brackets are a 95 % interval over seeds and test "
    "tasks. The optimum is the Bayes optimum, or the return of an agent that knows the goal. Min: minutes of a training, on two "
    "CPU cores or one. Steps: environment steps of a training, in millions. `jmeta list NAME` describes a recipe, and "
    "`jmeta train --recipe NAME --out DIR` trains it."
)


def recipe_table(width: int) -> str:
    """Returns a line for each recipe, by what its score is the mean of, and then by task family."""
    every = [recipes.get(name) for name in recipes.names()]
    rows = {named.name: _row(named) for named in every}
    titles = ("recipe", "score", "optimum", "min", "steps", "seeds")
    widths = [max(map(len, column)) for column in zip(titles, *rows.values(), strict=True)]
    blocks = []
    for of, says in SCORES.items():
        chosen = sorted((named for named in every if named.measured.of == of), key=_family_first)
        lines = [aligned(cells, widths) for cells in (titles, *(rows[named.name] for named in chosen))]
        blocks.append("\n".join([*textwrap.wrap(f"Score: {says}", width), *lines]))
    return "\n\n".join([*blocks, textwrap.fill(BELOW, width, break_on_hyphens=False)])


def recipe_details(name: str, width: int) -> str:
    """Returns what was measured with a recipe, its settings, and the commands that train and evaluate it.

    Raises:
      ValueError: if there is none of that name; the message names the nearest.
    """
    named = recipes.get(name)
    measured, recipe, cell = named.measured, named.recipe, named.cell
    seeds = "one seed" if measured.seeds == 1 else f"{measured.seeds} seeds"
    split = "training" if cell.split == "train" else cell.split
    says = [
        f"score: {_score(measured)} ({_uncertainty(measured)}), {SCORES[measured.of]}; {seeds}, "
        f"{named.comparison.num_test_tasks:,} {split} tasks",
        *([] if measured.optimum is None else [f"optimum: {measured.optimum:#.4g} ({measured.optimum_label})"]),
        *(f"published: {who} {score}" for who, score in cell.published.items()),
        f"training: {named.num_steps:,} outer steps, {measured.env_steps:,} environment steps, {measured.minutes:.3g} minutes on "
        "two CPU cores or one",
        *([] if named.remark is None else [named.remark]),
    ]
    task = [_option(setting, value, TASK_PREFIX) for setting, value in recipe.task_fields.items()]
    algorithm = [_option(setting, value) for setting, value in recipe.algorithm_fields.items()]
    out = f"runs/{name.replace('/', '-')}"
    commands = {
        "train": f"jmeta train --recipe {name} --out {out}",
        "evaluate as measured": f"jmeta evaluate {out}{evaluation_options(named)}",
        "measure again": f"jmeta compare {named.spec} --only {named.algorithm} --out runs/{named.spec}",
    }
    return "\n\n".join(
        [
            f"{name}, a recipe: {recipe.algorithm} on {recipe.task}",
            "\n".join(textwrap.fill(line, width, subsequent_indent="  ", break_on_hyphens=False) for line in says),
            "\n".join(["settings; all others have their defaults:", *(f"  {each}" for each in (*task, *algorithm))]),
            "\n".join(f"{what}:\n  {command}" for what, command in commands.items()),
            f"the measurement: {', '.join(named.sources)} in jmeta's repository",
        ]
    )


def _family_first(named: NamedRecipe) -> tuple[str, str]:
    algorithm, _, family = named.name.partition("/")
    return family, algorithm


def _row(named: NamedRecipe) -> tuple[str, ...]:
    measured = named.measured
    minutes, millions = measured.minutes, measured.env_steps / 1e6
    return (
        named.name,
        _score(measured),
        "" if measured.optimum is None else f"{measured.optimum:#.4g}",
        f"{minutes:.1f}" if minutes < 10 else f"{minutes:.0f}",
        f"{millions:#.2g}" if millions < 10 else f"{millions:.0f}",
        str(measured.seeds),
    )


def aligned(cells: tuple[str, ...], widths: list[int]) -> str:
    """Returns a line of a table: names and scores to the left, numbers to the right."""
    padded = [f"{cell:{'<' if i < 2 else '>'}{width}}" for i, (cell, width) in enumerate(zip(cells, widths, strict=True))]
    return " ".join(padded).rstrip()


def _score(measured: Measured) -> str:
    """Returns the score with its uncertainty, both to the digits that the uncertainty leaves."""
    number = f".{_decimals(measured)}f"
    if measured.interval is None:
        return f"{measured.score:{number}} ± {measured.standard_error:{number}}"
    low, high = measured.interval
    return f"{measured.score:{number}} [{low:{number}}, {high:{number}}]"


def _uncertainty(measured: Measured) -> str:
    if measured.interval is not None:
        return "95 % interval over seeds and test tasks"
    return f"standard error over {'test tasks' if measured.seeds == 1 else 'seeds'}"


def _decimals(measured: Measured) -> int:
    """Returns the decimals of a score: two digits of its uncertainty, and at most four digits of the score itself."""
    low, high = measured.interval or (0.0, 2.0 * (measured.standard_error or 0.0))
    of_score = DIGITS - 1 - math.floor(math.log10(abs(measured.score) or 1.0))
    of_error = 1 - math.floor(math.log10((high - low) / 2)) if high > low else 0
    return max(0, min(of_score, of_error))


def evaluation_options(named: NamedRecipe) -> str:
    """Returns the options of ``jmeta evaluate`` that evaluate a run of the recipe as it was measured."""
    usual, asked = named.build().protocol._asdict(), named.cell.protocol._asdict()
    options: dict[str, Any] = {} if named.cell.split == "held-out" else {"split": named.cell.split}
    options |= {"num_tasks": named.comparison.num_test_tasks}
    options |= {key: value for key, value in asked.items() if value != usual[key]}
    return "".join(f" {_option(key, value)}" for key, value in options.items())


def _option(setting: str, value: Any, prefix: str = "--") -> str:
    """Returns a setting as it is written on the command line."""
    if isinstance(value, bool):
        return flag(setting, prefix if value else f"{prefix}no-")
    return " ".join([flag(setting, prefix), *words(value)])
