"""Opens run directories, and agents of the zoo, with ``load``: the learner that was trained, at a checkpoint."""

import os
from collections.abc import Collection
from pathlib import Path

from jmeta import zoo
from jmeta.loaded_run import LoadedRun
from jmeta.outer.base import OuterLearner
from jmeta.registry import build, check_fields, recipe_of
from jmeta.training import Recipe, RunDirectory, restore
from jmeta.training.arguments import check_directory
from jmeta.trust import check_trusted, is_own, own_names
from jmeta.zoo import is_zoo_name


def load(
    run: str | os.PathLike[str], *, step: int | None = None, outer: OuterLearner | None = None, trust: bool = False
) -> LoadedRun:
    """Opens a run directory, or an agent of the zoo. Nothing in it is changed, so the run may still be under way.

    Args:
      run: the directory, or ``zoo:NAME``; see ``jmeta.zoo``.
      step: outer step of the checkpoint; the newest intact one by default.
      outer: the learner of the run, needed if it was started from Python; runs of the command line record how to build it.
      trust: whether to import a module of the user's own that the directory names. Importing it runs its code.

    Returns:
      The learner, and theta at that step.

    Raises:
      TypeError: if ``run`` is no path.
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
    return opened_run(run, step=step, outer=outer, trust=trust)


def opened_run(
    run: str | os.PathLike[str],
    *,
    step: int | None = None,
    outer: OuterLearner | None = None,
    trust: bool = False,
    named: Collection[str] = (),
) -> LoadedRun:
    """Opens a run directory as ``load`` does.

    Args:
      run: the directory.
      step: outer step of the checkpoint.
      outer: the learner of the run.
      trust: whether to import the module that the directory names.
      named: code of the user's own, as ``module:name``, that the command has named itself and that is trusted for this reason.
    """
    check_directory(run=run)
    if is_zoo_name(run):
        return _from_zoo(os.fspath(run), step, outer)
    if outer is None:
        outer, _ = learner_of(Path(run), trust=trust, named=named)
    step, state = restore(outer, run, step=step)
    directory = RunDirectory(run)
    config, evaluation = directory.read_config(), directory.newest_evaluation()
    return LoadedRun(outer, outer.deploy(state), step, state, config, evaluation, directory.path)


def _from_zoo(name: str, step: int | None, outer: OuterLearner | None) -> LoadedRun:
    agent = zoo.get(name)
    card = agent.card
    if step not in (None, card.outer_steps):
        raise ValueError(f"step={step}: {name} has the agent after {card.outer_steps} outer steps only; leave step out")
    if outer is None:
        outer = build(recipe_of(agent.config, name))
    score = {"score": card.score, "of": card.of} | {
        each: getattr(card, each) for each in ("standard_error", "num_tasks", "split", "episode_returns")
    }
    return LoadedRun(outer, agent.theta_of(outer), card.outer_steps, None, agent.config, score, Path(name))


def learner_of(run: Path, *, trust: bool = False, named: Collection[str] = ()) -> tuple[OuterLearner, Recipe]:
    """Returns the learner of a run directory, and its recipe.

    Args:
      run: the directory.
      trust: whether to import the module that the directory names, if it is not part of jmeta.
      named: code of the user's own that the command has named itself.

    Raises:
      FileNotFoundError: if it is not a run directory.
      ValueError: if the directory names code that is not trusted, or its config.json is damaged.
    """
    directory = RunDirectory(run)
    recipe = recipe_of(directory.read_config(), str(run))
    check_trusted(directory, recipe, run, trust=trust or set(own_names(recipe)) <= set(named))
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
