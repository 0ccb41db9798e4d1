"""Opens run directories with ``load``: the learner that was trained, at a checkpoint."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from jmeta.inner.base import InnerLearner
from jmeta.outer.base import OuterLearner
from jmeta.registry import build, check_fields, recipe_of
from jmeta.tasks import TaskDistribution
from jmeta.training import Recipe, RunDirectory, restore
from jmeta.trust import check_trusted, is_own
from jmeta.types import MetaState, Protocol, PyTree


@dataclasses.dataclass(frozen=True)
class LoadedRun:
    """An opened run directory: the learner, and its state at a checkpoint.

    Attributes:
      outer: the outer learner, with the settings of the run.
      theta: the deployed meta-parameters, ``outer.deploy(state)``.
      step: outer step of the checkpoint.
      state: meta-state of the checkpoint.
      config: content of config.json: settings of learner and tasks, key, versions, device.
    """

    outer: OuterLearner
    theta: PyTree
    step: int
    state: MetaState
    config: dict[str, Any]

    def __repr__(self) -> str:
        recipe = self.config["recipe"]
        algorithm = type(self.outer).__name__ if recipe is None else recipe["algorithm"]
        return f"LoadedRun(algorithm={algorithm!r}, tasks={self.tasks!r}, step={self.step})"

    @property
    def inner(self) -> InnerLearner:
        """The agent, to pass to ``jmeta.evaluate`` with ``theta``."""
        return self.outer.inner

    @property
    def tasks(self) -> TaskDistribution:
        """The task distribution that it was trained on."""
        return self.outer.tasks

    @property
    def protocol(self) -> Protocol:
        """The experience of a lifetime in training."""
        return self.outer.protocol


def load(
    run: str | os.PathLike[str], *, step: int | None = None, outer: OuterLearner | None = None, trust: bool = False
) -> LoadedRun:
    """Opens a run directory. Nothing in it is changed, so the run may still be under way.

    Args:
      run: the directory.
      step: outer step of the checkpoint; the newest intact one by default.
      outer: the learner of the run, needed if it was started from Python; runs of the command line record how to build it.
      trust: whether to import a module of the user's own that the directory names. Importing it runs its code.

    Returns:
      The learner, and theta at that step.

    Raises:
      FileNotFoundError: if there is no run or no checkpoint.
      ValueError: if the learner can't be built, if the directory names code that is not trusted, or if there is no checkpoint of
        that step.
      OSError: if all checkpoints, or the one asked for, are damaged.

    Example:
      >>> import jmeta
      >>> opened = jmeta.load("runs/bandit")  # doctest: +SKIP
      >>> result = jmeta.evaluate(  # doctest: +SKIP
      ...     opened.inner, opened.tasks.held_out, opened.theta, 0, protocol=opened.protocol
      ... )
    """
    if outer is None:
        outer, _ = learner_of(Path(run), trust=trust)
    step, state = restore(outer, run, step=step)
    return LoadedRun(outer, outer.deploy(state), step, state, RunDirectory(run).read_config())


def learner_of(run: Path, *, trust: bool = False) -> tuple[OuterLearner, Recipe]:
    """Returns the learner of a run directory, and its recipe.

    Args:
      run: the directory.
      trust: whether to import the module that the directory names, if it is not part of jmeta.

    Raises:
      FileNotFoundError: if it is not a run directory.
      ValueError: if the directory names code that is not trusted, or its config.json is damaged.
    """
    directory = RunDirectory(run)
    recipe = recipe_of(directory.read_config(), str(run))
    check_trusted(directory, recipe, run, trust=trust)
    own = is_own(recipe)
    try:
        check_fields(recipe)
        return build(recipe), recipe
    except (TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        if own:
            raise  # the mistake may be in the user's code
        reason = str(error).splitlines()[0] if str(error) else repr(error)
        raise directory.damaged_config(f"its recipe can't be built: {reason}") from error
    except ValueError as error:
        if own:
            raise
        raise ValueError(f"{directory.config_file}: {error}") from error
