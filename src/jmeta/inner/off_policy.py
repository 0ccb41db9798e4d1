"""Off-policy agents: the base class, the steps that replay keeps, and the loss on them."""

import abc
from typing import Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpyro.distributions as dist

from jmeta import struct
from jmeta.inner.base import InContextLearner, InnerLearner
from jmeta.inner.q_learner import QLearner, Step
from jmeta.parallel import merge_axis
from jmeta.ranges import Count, CountOrZero
from jmeta.types import (
    ActionSpace,
    Decision,
    Discrete,
    Empty,
    Experience,
    Memory,
    Metrics,
    Parts,
    Phi,
    PyTree,
    Segment,
    Theta,
    Timestep,
)


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


class EncodingAgent(OffPolicyAgent[Parts, Phi, Memory]):
    """An off-policy agent that encodes its experience for a policy and critics: theta has an "encoder" and a "q_learner"."""

    def target_parameters(self, theta: Parts) -> PyTree:
        return self.q_learner.target_parameters(theta["q_learner"])

    def parts(self, theta: Parts) -> PyTree:
        return {"encoder": "encoder", "q_learner": self.q_learner.parts(theta["q_learner"])}


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


class RandomOr(dist.Distribution):
    """Distribution of uniformly random actions if ``is_random`` [], else of a policy's actions."""

    pytree_data_fields = ("policy", "is_random")
    pytree_aux_fields = ("action_space",)
    arg_constraints: ClassVar[dict[str, Any]] = {}
    support = dist.constraints.real_vector

    def __init__(self, policy: dist.Distribution, is_random: jax.Array, action_space: ActionSpace):
        self.policy = policy
        self.is_random = is_random
        self.action_space = action_space
        super().__init__(batch_shape=(), event_shape=policy.event_shape)

    def sample(self, key: jax.Array, sample_shape: tuple[int, ...] = ()) -> jax.Array:
        random_key, policy_key = jax.random.split(key)
        if isinstance(self.action_space, Discrete):
            action = jax.random.randint(random_key, sample_shape, 0, self.action_space.num_actions)
        else:
            action = jax.random.uniform(random_key, (*sample_shape, self.action_space.size), jnp.float32, minval=-1.0, maxval=1.0)
        return jnp.where(self.is_random, action, self.policy.sample(policy_key, sample_shape))

    def log_prob(self, value: jax.Array) -> jax.Array:
        space = self.action_space
        uniform = jnp.log(space.num_actions) if isinstance(space, Discrete) else space.size * jnp.log(2.0)
        return jnp.where(self.is_random, -uniform, self.policy.log_prob(value))


@struct.dataclass
class RandomAtFirst(InnerLearner[Theta, Phi, Memory]):
    """Wraps an agent, whose actions are uniformly random while ``is_random``; everything else is unchanged."""

    agent: InnerLearner[Theta, Phi, Memory]
    is_random: jax.Array | bool

    @property
    def observation_size(self) -> int:  # type: ignore[override]
        return self.agent.observation_size

    @property
    def action_space(self) -> ActionSpace:  # type: ignore[override]
        return self.agent.action_space

    def init(self, key: jax.Array) -> Theta:
        return self.agent.init(key)

    def begin(self, theta: Theta, num_streams: int, key: jax.Array) -> tuple[Phi, Memory]:
        return self.agent.begin(theta, num_streams, key)

    def act(self, theta: Theta, phi: Phi, memory: Memory, timestep: Timestep) -> tuple[Decision, Memory]:
        decision, memory = self.agent.act(theta, phi, memory, timestep)
        either = RandomOr(decision.distribution, jnp.asarray(self.is_random), self.action_space)
        return decision._replace(distribution=either), memory

    def adapt(self, theta: Theta, phi: Phi, memory: Memory, segment: Segment, key: jax.Array) -> tuple[Phi, Memory]:
        return self.agent.adapt(theta, phi, memory, segment, key)


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


class OwnReplay(NamedTuple):
    """The newest steps of one lifetime, as part of phi."""

    steps: Step  # [capacity, ...]
    number: jax.Array  # [] int32, steps added so far; may exceed the capacity

    @classmethod
    def empty(cls, capacity: int, num_inputs: int, action_space: ActionSpace) -> "OwnReplay":
        """Returns an empty replay for ``capacity`` steps with features [num_inputs]."""
        x, zeros = jnp.zeros((capacity, num_inputs), jnp.float32), jnp.zeros(capacity, jnp.float32)
        is_discrete = isinstance(action_space, Discrete)
        action = zeros.astype(jnp.int32) if is_discrete else jnp.zeros((capacity, action_space.encoding_size))
        return cls(Step(x, action, zeros, zeros.astype(bool), x), jnp.zeros((), jnp.int32))

    def add(self, new: Step) -> "OwnReplay":
        """Returns the replay with new steps [n, ...], which overwrite the oldest."""
        capacity = len(self.steps.r_t)
        new = jax.tree.map(lambda x: x[-capacity:], new)
        slots = (self.number + jnp.arange(len(new.r_t))) % capacity
        steps = jax.tree.map(lambda old, x: old.at[slots].set(x.astype(old.dtype)), self.steps, new)
        return OwnReplay(steps, self.number + len(new.r_t))

    @property
    def is_lived(self) -> jax.Array:
        """Whether each slot holds a step, [capacity] bool."""
        return jnp.arange(len(self.steps.r_t)) < self.number

    def sample(self, key: jax.Array, number: int) -> Step:
        """Returns random steps [number], with replacement; the replay must not be empty."""
        which = jax.random.randint(key, (number,), 0, jnp.minimum(self.number, len(self.steps.r_t)))
        return jax.tree.map(lambda x: x[which], self.steps)
