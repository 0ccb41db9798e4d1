"""An opened run directory, or an opened agent of the zoo."""

import dataclasses
from pathlib import Path
from typing import Any

from jmeta.agent import Agent
from jmeta.agent.export import agent_of
from jmeta.inner.base import InnerLearner
from jmeta.outer.base import OuterLearner
from jmeta.outer.checks import check_protocol
from jmeta.tasks import TaskDistribution
from jmeta.training import Pretrained
from jmeta.training.provenance import describe
from jmeta.types import MetaState, Protocol, PyTree


@dataclasses.dataclass(frozen=True)
class LoadedRun:
    """An opened run directory: the learner, and its state at a checkpoint.

    Attributes:
      outer: the outer learner, with the settings of the run.
      theta: the deployed meta-parameters, ``outer.deploy(state)``.
      step: outer step of the checkpoint.
      state: meta-state of the checkpoint; None for an agent of the zoo.
      config: content of config.json: settings of learner and tasks, key, versions, device.
      evaluation: the newest result of ``jmeta evaluate`` in the directory, on the tasks of the run; None if there is none.
      path: the run directory, or the name in the zoo.
    """

    outer: OuterLearner
    theta: PyTree
    step: int
    state: MetaState | None
    config: dict[str, Any]
    evaluation: dict[str, Any] | None = None
    path: Path | None = None

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

    @property
    def pretrained(self) -> Pretrained:
        """The meta-parameters to begin another training with: ``jmeta.train(outer, key, num_steps, theta=opened.pretrained)``."""
        theta = self.theta if self.state is None else self.state.theta
        config = {"learner": describe(self.outer)} | self.config  # which an agent of the zoo may lack
        return Pretrained(theta, str(self.path), self.step, config)

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
            **{name: self.config[name] for name in ("theta_from",) if name in self.config},
        }
