"""Off-policy agents: the base class, the steps that replay keeps, and the loss on them."""

import abc
from typing import ClassVar, Self

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.axes import merge_axis
from jmeta.inner.base import InContextLearner, InnerLearner
from jmeta.inner.q_learner import QLearner, Step
from jmeta.ranges import Count, CountOrZero
from jmeta.types import ActionSpace, Decision, Empty, Experience, Memory, Metrics, Phi, PyTree, Theta, Timestep


@struct.dataclass
class ReplayStep(Experience):
    """A step as replay keeps it, without ``timestep.arrival``, which is the next observation of the step before."""

    worth: jax.Array  # [] reward that the loss uses: the task's, or a shaped one
    time: jax.Array  # [] int32, index of the step in its lifetime

    @classmethod
    def of(cls, lived: Experience, worth: jax.Array, time: jax.Array) -> "ReplayStep":
        """Returns what replay keeps of an experience, with any axes."""
        kept = struct.fields_for(Experience, lived) | {"timestep": lived.timestep._replace(arrival=())}
        return cls(**kept, worth=worth, time=time)


class OffPolicyAgent(InnerLearner[Theta, Phi, Memory]):
    """An inner learner whose loss can be evaluated on steps of any behaviour policy.

    Attributes:
      q_learner: learner of action values and a policy from single steps.
      sequence_length: L, length of the sequences (rows) that are sampled from replay.
      num_shipped: rows of the training tasks' replay that are deployed with theta.
      takes_shaped: False if the agent can't be trained on a shaped reward, since it fine-tunes values on the task's reward.
      least_segments: least number of segments of a lifetime in training; 2 for agents that adapt between segments.
    """

    takes_shaped: ClassVar[bool] = True
    least_segments: ClassVar[int] = 1

    q_learner: QLearner
    sequence_length: Count = 1
    num_shipped: CountOrZero = 0

    @abc.abstractmethod
    def target_parameters(self, theta: Theta) -> PyTree:
        """Returns the meta-parameters of which target networks are moving averages."""

    @abc.abstractmethod
    def loss(
        self, theta: Theta, target_parameters: PyTree, context: Experience, batch: ReplayStep, key: jax.Array
    ) -> tuple[jax.Array, Metrics]:
        """Returns the loss of one task, [], and its parts as metrics.

        Args:
          theta: meta-parameters, differentiated.
          target_parameters: parameters of the target networks, the moving average of ``target_parameters(theta)``.
          context: the experience [K, T, 1] of one of the task's newest lifetimes, which the agent may adapt to.
          batch: rows [n, L] from the task's replay, of any behaviour policy.
          key: consumed.
        """

    def ship(self, theta: Theta, rows: ReplayStep, is_lived: jax.Array) -> Theta:
        """Returns theta with the data to deploy from rows [num_shipped, L] of replay; called only if ``num_shipped`` is not 0.

        ``is_lived`` [num_shipped] is False for rows of a task whose replay holds fewer than L steps.
        Shapes do not depend on the number of training tasks.
        """
        return theta

    @abc.abstractmethod
    def parts(self, theta: Theta) -> PyTree:
        """Returns a prefix of theta, whose leaves name parts; the gradient norm of each part is clipped separately."""

    def behaviour_policy(self, remaining: jax.Array | float) -> Self:
        """Returns the behaviour policy of training; ``remaining`` falls from 1 to 0 over the exploration schedule."""
        return self.replace(q_learner=self.q_learner.behaviour_policy(remaining))  # type: ignore[attr-defined]


@struct.dataclass
class Reactive(OffPolicyAgent[PyTree, Empty, Empty], InContextLearner[PyTree, Empty]):
    """An off-policy agent whose policy sees only the observation and is the same in all tasks; phi and memory are empty."""

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)
    q_learner: QLearner

    def init(self, key: jax.Array) -> PyTree:
        return self.q_learner.init(key)

    def initial_memory(self, theta: PyTree) -> Empty:
        return ()

    def act(self, theta: PyTree, phi: Empty, memory: Empty, timestep: Timestep) -> tuple[Decision, Empty]:
        return self.q_learner.decide(theta, timestep.observation), memory

    def target_parameters(self, theta: PyTree) -> PyTree:
        return self.q_learner.target_parameters(theta)

    def parts(self, theta: PyTree) -> PyTree:
        return self.q_learner.parts(theta)

    def loss(
        self, theta: PyTree, target_parameters: PyTree, context: Experience, batch: ReplayStep, key: jax.Array
    ) -> tuple[jax.Array, Metrics]:
        return mean_loss(self.q_learner, theta, target_parameters, observed_steps(batch, batch.worth), key)


def observed_steps(lived: Experience, reward: jax.Array) -> Step:
    """Returns rows [n, L] or a segment [T, B], with the reward to learn from, as steps [n L] or [T B] of observations."""
    seen = (lived.timestep.observation, lived.action, reward, lived.terminated, lived.next_observation)
    return Step(*merge_axis(seen, 0))


def mean_loss(
    q_learner: QLearner,
    parameters: PyTree,
    target_parameters: PyTree,
    steps: Step,
    key: jax.Array,
    weight: jax.Array | float = 1.0,
) -> tuple[jax.Array, Metrics]:
    """Returns the mean loss over steps [n], weighted by ``weight`` ([n], or one for all), and the mean metrics."""
    keys = jax.random.split(key, len(steps.r_t))
    losses, metrics = jax.vmap(q_learner.loss, in_axes=(None, None, 0, 0))(parameters, target_parameters, steps, keys)
    return (weight * losses).mean(), jax.tree.map(jnp.mean, metrics)
