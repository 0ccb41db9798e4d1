"""Recipes by name: the settings of an algorithm in a task family, and the score that they reached.

    named = jmeta.recipes.get("varibad/grid-navi")
    jmeta.train(named.build(), 0, named.num_steps, out="runs/varibad", recipe=named.recipe)

The settings are those of a comparison that comes with jmeta (``jmeta/specs``). ``index.toml`` says for each name which table of
tasks and which table of algorithms has them, and what was measured.
"""

from jmeta.recipes.index import INDEX, find, get, names
from jmeta.recipes.named import SCORES, Measured, NamedRecipe, Score, scores

__all__ = ["INDEX", "SCORES", "Measured", "NamedRecipe", "Score", "find", "get", "names", "scores"]
