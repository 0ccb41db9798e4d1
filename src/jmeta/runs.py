"""Opens run directories, and agents of the zoo, with ``load``: the learner that was trained, at a checkpoint."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from jmeta import zoo
from jmeta.agent import Agent
from jmeta.agent.export import agent_of
from jmeta.inner.base import InnerLearner
from jmeta.outer.base import OuterLearner
from jmeta.outer.checks import check_protocol
from jmeta.registry import build, check_fields, recipe_of
from jmeta.tasks import TaskDistribution
from jmeta.training import Recipe, RunDirectory, restore
from jmeta.trust import check_trusted, is_own
from jmeta.types import MetaState, Protocol, PyTree
from jmeta.zoo import is_zoo_name


@dataclasses.dataclass(frozen=True)
class LoadedRun:
    """An opened run directory: the learner, and its state at a checkpoint.

    Attributes:
      outer: the outer learner, with the settings of the run.
      theta: the deployed meta-parameters, ``outer.deploy(state)``.
      step: outer step of the checkpoint.
      state: meta-state of the checkpoint; None for an agent of the zoo.
      config: content of config.json: settings of learner and tasks, key, versions, device.
      evaluation: the newest result of ``jmeta evaluate`` in the directory; None if there is none.
    """

    outer: OuterLearner
    theta: PyTree
    step: int
    state: MetaState | None
    config: dict[str, Any]
    evaluation: dict[str, Any] | None = None

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

    def agent(
        self,
        *,
        num_tasks: int | None = None,
        num_envs: int | None = None,
        greedy: bool = False,
        action_bounds: tuple[Any, Any] | None = None,
        num_segments: int | None = None,
    ) -> Agent:
        """Returns an agent that acts and adapts step by step, with NumPy arrays in and out; see ``jmeta.Agent``.

        Args:
          num_tasks: number of tasks at once; None for one, without an axis.
          num_envs: number of environments of each task; None for one, without an axis.
          greedy: whether to take the most likely action at every step, instead of a sampled one.
          action_bounds: (low, high) of the environment's continuous actions, if they differ from those of the training tasks.
          num_segments: segments of a lifetime, with an adaptation after each but the last; as many as in training by default.
        """
        protocol = self.protocol if num_segments is None else self.protocol._replace(num_segments=num_segments)
        check_protocol(self.tasks, protocol)
        return agent_of(
            self.inner,
            self.tasks,
            self.theta,
            protocol,
            about=self.about(),
            num_tasks=num_tasks,
            num_envs=num_envs,
            greedy=greedy,
            action_bounds=action_bounds,
        )

    def about(self) -> dict[str, Any]:
        """Returns what is known of the run: algorithm and tasks with their settings, steps, versions, newest score."""
        recipe = self.config["recipe"] or {"algorithm": type(self.outer).__name__, "task": type(self.tasks).__name__}
        score = self.evaluation
        kept = ("mean_return", "score", "of", "standard_error", "episode_returns", "num_tasks", "split", "outer_step")
        return {
            "algorithm": recipe["algorithm"],
            "algorithm_settings": recipe.get("algorithm_fields", {}),
            "tasks": recipe["task"],
            "task_settings": recipe.get("task_fields", {}),
            "outer_steps": self.step,
            "horizon": self.tasks.horizon,
            "env_steps": self.step * self.outer.num_env_steps,
            "versions": self.config.get("versions", {}),
            "score": None if score is None else {name: score[name] for name in kept if name in score},
        }


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
    if is_zoo_name(run):
        return _from_zoo(os.fspath(run), step, outer)
    if outer is None:
        outer, _ = learner_of(Path(run), trust=trust)
    step, state = restore(outer, run, step=step)
    directory = RunDirectory(run)
    return LoadedRun(outer, outer.deploy(state), step, state, directory.read_config(), directory.newest_evaluation())


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
    return LoadedRun(outer, agent.theta_of(outer), card.outer_steps, None, agent.config, score)


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
