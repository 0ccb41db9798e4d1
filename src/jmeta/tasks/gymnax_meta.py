"""gymnax's own meta-learning environments, as gymnax-blines scores them: one episode is one lifetime (Lange 2022).

gymnax draws the task of these environments at every reset. Here it is drawn once for a lifetime. In a lifetime of one episode
this is the same, and the task is kept if an episode ends early. The published scores are returns of one episode, so compare
them with ``Evaluation.episode_returns[:, 0]``. Training draws from all tasks, as published, so none are held out: evaluate on
the training split with another seed.

References:
  Lange 2022, https://github.com/RobertTLange/gymnax and https://github.com/RobertTLange/gymnax-blines.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from gymnax.environments.environment import Environment

from jmeta.references.one_armed_bandit import one_armed_bandit_return
from jmeta.tasks.base import Reference
from jmeta.tasks.dependent_bandit import TwoTaskBandit
from jmeta.tasks.gymnax_bases import GymnaxMeta
from jmeta.tasks.gymnax_environments import make
from jmeta.tasks.gymnax_family import GymnaxTask


@dataclasses.dataclass(frozen=True)
class GymnaxBernoulliBandit(GymnaxMeta):
    """Two arms with reward probabilities 0.1 and 0.9, 100 pulls in one episode; action, reward and time are observed.

    It is ``TwoTaskBandit`` with one episode instead of 100.

    References:
      Wang et al. 2016, arXiv 1611.05763; gymnax's ``BernoulliBandit-misc``.
    """

    env_id: str = dataclasses.field(default="BernoulliBandit-misc", init=False)
    held_fields: tuple[str, ...] = dataclasses.field(default=("exp_reward_best", "reward_probs"), init=False)

    name: ClassVar[str] = "gymnax-bernoulli-bandit"

    def describe(self, task: GymnaxTask) -> jax.Array:
        """Returns the reward probabilities of both arms."""
        return task.held["reward_probs"].astype(jnp.float32)

    def oracle_return(self, task: GymnaxTask, num_steps: int) -> jax.Array:
        """Returns the expected return of always pulling the best arm."""
        return num_steps * task.held["exp_reward_best"]

    def reference_return(self, num_steps: int) -> Reference:
        """Returns the Bayes-optimal sum of rewards."""
        return TwoTaskBandit(low=0.1).reference_return(num_steps)


@dataclasses.dataclass(frozen=True)
class GymnaxGaussianBandit(GymnaxMeta):
    """One arm pays nothing, the other N(mu, sigma_l²) with mu ~ N(-1, sigma_p²); one episode; action, reward, time are observed.

    References:
      Lange and Sprekeler 2022, arXiv 2010.04466; gymnax's ``GaussianBandit-misc``.
    """

    env_id: str = dataclasses.field(default="GaussianBandit-misc", init=False)
    held_fields: tuple[str, ...] = dataclasses.field(default=("mu",), init=False)

    name: ClassVar[str] = "gymnax-gaussian-bandit"

    def oracle_return(self, task: GymnaxTask, num_steps: int) -> jax.Array:
        """Returns the expected return of pulling the second arm if its mean is positive, else the first."""
        return num_steps * jnp.maximum(task.held["mu"], 0.0)

    def reference_return(self, num_steps: int) -> Reference:
        """Returns the Bayes-optimal sum of rewards, to about 1e-3."""
        params = self.environment.default_params
        value = one_armed_bandit_return(float(params.mean_mu), float(params.sigma_p), float(params.sigma_l), num_steps)
        return Reference("Bayes optimum", value, "lifetime")


@dataclasses.dataclass(frozen=True)
class GymnaxPointRobot(GymnaxMeta):
    """A point searches for a hidden goal on the upper half circle.

    The reward is 1 for a step that begins within 0.2 of the goal, after which the point is moved elsewhere.

    References:
      Dorfman et al. 2021, arXiv 2008.02598; gymnax's ``PointRobot-misc``.
    """

    env_id: str = dataclasses.field(default="PointRobot-misc", init=False)
    held_fields: tuple[str, ...] = dataclasses.field(default=("goal",), init=False)

    name: ClassVar[str] = "gymnax-point-robot"


@dataclasses.dataclass(frozen=True)
class GymnaxMetaMaze(GymnaxMeta):
    """A maze with a hidden goal: reward 10 for reaching it, after which the agent is moved elsewhere; 200 steps.

    An episode also ends when the agent is placed on the goal.

    Args:
      maze_size: cells per side of the maze, odd and at least 3.
      receptive_field: cells per side of the observed square around the agent, odd and at least 3.

    References:
      Miconi et al. 2019, arXiv 2002.10585; gymnax's ``MetaMaze-misc``, with the sizes that gymnax-blines reports.
    """

    env_id: str = dataclasses.field(default="MetaMaze-misc", init=False)
    held_fields: tuple[str, ...] = dataclasses.field(default=("goal",), init=False)
    maze_size: int = 7
    receptive_field: int = 5

    name: ClassVar[str] = "gymnax-meta-maze"

    def __post_init__(self) -> None:
        for setting in ("maze_size", "receptive_field"):
            if getattr(self, setting) < 3 or getattr(self, setting) % 2 == 0:
                raise ValueError(f"{setting}={getattr(self, setting)}: give an odd number, at least 3")
        super().__post_init__()

    def _make(self) -> Environment:
        return make(self.env_id, maze_size=self.maze_size, rf_size=self.receptive_field)

    def describe(self, task: GymnaxTask) -> jax.Array:
        """Returns the goal's coordinates, scaled to [-1, 1]."""
        offset = (self.receptive_field - 1) // 2
        return (task.held["goal"] - offset) * (2.0 / (self.maze_size - 1)) - 1.0
