"""Base of multi-armed bandits."""

import abc
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import environment, spaces

from jmeta import struct
from jmeta.tasks.base import TaskDistribution
from jmeta.tasks.render import draw_pulls
from jmeta.types import Experience, Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@struct.dataclass
class EnvState(environment.EnvState):
    """Environment state."""

    time: jax.Array  # [] int32


class BanditEnvironment(environment.Environment[EnvState, Any], abc.ABC):
    """Each pull of an arm is an episode of one step; the observation is constant. Subclass it with ``pay``."""

    def __init__(self, num_arms: int):
        super().__init__()
        self.num_arms = num_arms

    @abc.abstractmethod
    def pay(self, key: jax.Array, chosen: jax.Array, params: Any) -> jax.Array:
        """Returns the reward [] of the arm that is ``chosen``, one-hot [num_arms]."""

    def step_env(
        self, key: jax.Array, state: EnvState, action: Any, params: Any
    ) -> tuple[jax.Array, EnvState, jax.Array, jax.Array, dict[Any, Any]]:
        reward = self.pay(key, jax.nn.one_hot(action, self.num_arms, dtype=jnp.float32), params)
        return jnp.ones(1), EnvState(time=state.time + 1), reward, jnp.array(True), {}

    def reset_env(self, key: jax.Array, params: Any) -> tuple[jax.Array, EnvState]:
        return jnp.ones(1), EnvState(time=jnp.array(0, jnp.int32))

    @property
    def num_actions(self) -> int:
        return self.num_arms

    def action_space(self, params: Any = None) -> spaces.Discrete:
        return spaces.Discrete(self.num_arms)

    def observation_space(self, params: Any) -> spaces.Box:
        return spaces.Box(1.0, 1.0, (1,))


class Bandit(TaskDistribution):
    """A lifetime is ``num_pulls`` pulls; its score is the sum of rewards. Subclass it with ``_make`` and ``mean_rewards``."""

    num_pulls: int  # a field of the subclass

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_pulls < 1:
            raise ValueError(f"num_pulls={self.num_pulls}: a lifetime needs at least 1 pull")
        object.__setattr__(self, "_environment", self._make())

    @abc.abstractmethod
    def _make(self) -> BanditEnvironment:
        """Returns the environment; called once, when the distribution is made."""

    @abc.abstractmethod
    def mean_rewards(self, task: Task) -> jax.Array:
        """Returns the expected reward of each arm [num_arms]."""

    @property
    def environment(self) -> BanditEnvironment:
        return self._environment  # type: ignore[attr-defined]

    @property
    def lifetime_length(self) -> int:
        return self.num_pulls

    def oracle_return(self, task: Task, num_steps: int) -> jax.Array:
        """Returns the expected return of always pulling the best arm."""
        return num_steps * self.mean_rewards(task).max()

    def render(self, task: Task, lived: Experience, axes: "Axes") -> None:
        """Draws the arm of every pull and its reward."""
        draw_pulls(axes, lived, np.asarray(self.mean_rewards(task)))


def check_num_arms(num_arms: int) -> None:
    """Raises ``ValueError`` for fewer than 2 arms."""
    if num_arms < 2:
        raise ValueError(f"num_arms={num_arms}: a bandit needs at least 2 arms")
