"""Agents that learn from replay: what they keep of a step, and what they are judged by."""

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
from jmeta.types import ActionSpace, Decision, Discrete, Memory, Metrics, Phi, PyTree, Segment, Theta, Timestep


class ReplayStep(NamedTuple):
    """A step of one stream as replay keeps it."""

    timestep: Timestep  # without ``arrival``, which is the next observation of the step before
    action: jax.Array
    reward: jax.Array  # [] as the agent saw it
    worth: jax.Array  # [] what is learned from it: the reward, or a shaped one
    terminated: jax.Array  # [] bool
    truncated: jax.Array  # [] bool
    next_observation: jax.Array  # [observation_size], before any reset
    time: jax.Array  # [] int32, steps of the lifetime before this one

    @classmethod
    def of(cls, lived: Segment, worth: jax.Array, time: jax.Array) -> "ReplayStep":
        """Returns the part of a segment, of any axes, that replay keeps."""
        return cls(
            timestep=lived.timestep._replace(arrival=()),  # type: ignore[arg-type]
            action=lived.action,
            reward=lived.reward,
            worth=worth,
            terminated=lived.terminated,
            truncated=lived.truncated,
            next_observation=lived.next_observation,
            time=time,
        )


class OffPolicyAgent(InnerLearner):
    """An inner learner that can be judged on steps that another policy lived.

    Attributes:
      q_learner: how action values and a policy are learned from single steps.
      sequence_length: steps [L] in a row that it is judged on at once; replay is sampled in such rows.
      num_shipped: rows of the training tasks' replay that are shipped with theta.
      takes_shaped: False if a shaped reward can't be learned from, since the agent fine-tunes values on the reward itself.
      least_segments: a lifetime of fewer segments can't be trained on; 2 for agents that adapt between segments.
    """

    takes_shaped: ClassVar[bool] = True
    least_segments: ClassVar[int] = 1

    q_learner: QLearner
    sequence_length: Count = 1
    num_shipped: CountOrZero = 0

    @abc.abstractmethod
    def target_parameters(self, theta: Theta) -> PyTree:
        """Returns the meta-parameters that have target networks, which are moving averages of them."""

    @abc.abstractmethod
    def loss(
        self, theta: Theta, target_parameters: PyTree, context: Segment, batch: ReplayStep, key: jax.Array
    ) -> tuple[jax.Array, Metrics]:
        """Returns the loss on one task, [], and its parts as metrics.

        Args:
          theta: meta-parameters, differentiated.
          target_parameters: the moving average of ``target_parameters(theta)``, those of the target networks.
          context: the segments [K, T, 1] of one of the task's newest lifetimes, what the agent may adapt to; without decisions
            and memory.
          batch: rows [n, L] from the task's replay, lived by whatever policy there was.
          key: consumed.
        """

    def ship(self, theta: Theta, rows: ReplayStep, is_lived: jax.Array) -> Theta:
        """Theta and what is shipped of rows [num_shipped, L] of replay; only called where ``num_shipped`` is not 0.

        ``is_lived`` [num_shipped] is False for rows that hold steps that nobody lived, since a task's replay was too short.
        Shapes do not depend on the number of training tasks.
        """
        return theta

    @abc.abstractmethod
    def parts(self, theta: Theta) -> PyTree:
        """A prefix of theta, whose leaves name the parts that are trained apart: each has a gradient norm of its own."""

    def behaviour_policy(self, remaining: jax.Array | float) -> Self:
        """The agent as it gathers experience, where 1 down to 0 remains of the time for exploration."""
        return self.replace(q_learner=self.q_learner.behaviour_policy(remaining))  # type: ignore[attr-defined]


@struct.dataclass
class Reactive(OffPolicyAgent, InContextLearner):
    """The policy sees the observation and nothing else, and is one for all tasks. Neither phi nor memory hold anything."""

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)
    q_learner: QLearner

    def init(self, key: jax.Array) -> Theta:
        return self.q_learner.init(key)

    def initial_memory(self, theta: Theta) -> Memory:
        return ()

    def act(self, theta: Theta, phi: Phi, memory: Memory, timestep: Timestep) -> tuple[Decision, Memory]:
        return self.q_learner.decide(theta, timestep.observation), memory

    def target_parameters(self, theta: Theta) -> PyTree:
        return self.q_learner.target_parameters(theta)

    def parts(self, theta: Theta) -> PyTree:
        return self.q_learner.parts(theta)

    def loss(
        self, theta: Theta, target_parameters: PyTree, context: Segment, batch: ReplayStep, key: jax.Array
    ) -> tuple[jax.Array, Metrics]:
        return mean_loss(self.q_learner, theta, target_parameters, observed_steps(batch), key)


class RandomOr(dist.Distribution):
    """Uniformly random actions where ``is_random`` [] says so, else those of a policy."""

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
class RandomAtFirst(InnerLearner):
    """An agent whose actions are uniformly random while ``is_random``; all else is its own."""

    agent: OffPolicyAgent
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


def observed_steps(lived: ReplayStep | Segment) -> Step:
    """Returns rows [n, L] or a segment [T, B] as steps [n L] or [T B] whose features are the observations."""
    worth = lived.worth if isinstance(lived, ReplayStep) else lived.reward
    seen = (lived.timestep.observation, lived.action, worth, lived.terminated, lived.next_observation)
    return Step(*merge_axis(seen, 0))


def mean_loss(
    q_learner: QLearner,
    parameters: PyTree,
    target_parameters: PyTree,
    steps: Step,
    key: jax.Array,
    weight: jax.Array | float = 1.0,
) -> tuple[jax.Array, Metrics]:
    """Over steps [n], each of which counts ``weight``, [n] or all the same."""
    keys = jax.random.split(key, len(steps.r_t))
    losses, metrics = jax.vmap(q_learner.loss, in_axes=(None, None, 0, 0))(parameters, target_parameters, steps, keys)
    return (weight * losses).mean(), jax.tree.map(jnp.mean, metrics)


class OwnReplay(NamedTuple):
    """The newest steps of one lifetime, as part of phi."""

    steps: Step  # [capacity, ...]
    number: jax.Array  # [] int32, steps lived, more than are kept perhaps

    @classmethod
    def empty(cls, capacity: int, num_inputs: int, action_space: ActionSpace) -> "OwnReplay":
        """Returns an empty replay for so many steps between features [num_inputs]."""
        x, zeros = jnp.zeros((capacity, num_inputs), jnp.float32), jnp.zeros(capacity, jnp.float32)
        is_discrete = isinstance(action_space, Discrete)
        action = zeros.astype(jnp.int32) if is_discrete else jnp.zeros((capacity, action_space.encoding_size))
        return cls(Step(x, action, zeros, zeros.astype(bool), x), jnp.zeros((), jnp.int32))

    def add(self, new: Step) -> "OwnReplay":
        """With steps [n, ...] more; the oldest go."""
        capacity = len(self.steps.r_t)
        new = jax.tree.map(lambda x: x[-capacity:], new)
        slots = (self.number + jnp.arange(len(new.r_t))) % capacity
        steps = jax.tree.map(lambda old, x: old.at[slots].set(x.astype(old.dtype)), self.steps, new)
        return OwnReplay(steps, self.number + len(new.r_t))

    @property
    def is_lived(self) -> jax.Array:
        """[capacity] bool, which slots hold a step."""
        return jnp.arange(len(self.steps.r_t)) < self.number

    def sample(self, key: jax.Array, number: int) -> Step:
        """Steps [number] at random; there must be some."""
        which = jax.random.randint(key, (number,), 0, jnp.minimum(self.number, len(self.steps.r_t)))
        return jax.tree.map(lambda x: x[which], self.steps)
