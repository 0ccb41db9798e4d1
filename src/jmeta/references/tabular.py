"""Base of learners of tabular Markov decision processes, among them the baselines of Duan et al. 2016.

Those in ``posterior_sampling.py`` draw processes from the posterior, and those in ``optimism.py`` value what is uncertain.

Their prior is independent for every state s and action a: P(. | s, a) ~ Dirichlet(1, ..., 1), mean rewards are N(prior_mean, 1),
and rewards have N(0, 1) noise. With a ``prior_mean`` of 1 this is Duan et al.'s distribution of processes. The scores in their
paper (RL², arXiv 1611.02779, table 2) are those of a prior mean of 0, a default of Osband's TabulaRL
(github.com/iosband/TabulaRL), from which these learners come.

The next state of the last action of an episode is not observed, since the next observation is the start of another episode. So
only the reward of that action is counted.
"""

import abc
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.references.classical import HandWritten, uniform_over_best
from jmeta.types import ActionSpace, Decision, Discrete, Empty, Memory, Timestep


class Counts(NamedTuple):
    """Statistics of the experience since the lifetime began."""

    transitions: jax.Array  # [S, A, S] float32, how often a in s led to s'
    visits: jax.Array  # [S, A] float32, how often a was taken in s
    rewards: jax.Array  # [S, A] float32, sums of rewards
    state: jax.Array  # [S] one-hot, where the agent is
    time: jax.Array  # [] int32, steps since the episode began
    episode: jax.Array  # [] int32, episodes begun


class Planned(NamedTuple):
    """The memory of an ``EpisodePlanner``."""

    experience: Counts
    action_values: jax.Array  # [H, S, A] of the current plan
    key: jax.Array  # [2] uint32, for randomised plans


@struct.dataclass
class TabularLearner(HandWritten[Memory]):
    """Base of learners that count transitions and rewards in a process with one-hot states.

    Attributes:
      observation_size: number of states S.
      action_space: a ``Discrete`` one.
      horizon: environment steps of an episode; in a longer episode, later steps use the plan of the last of these steps.

    Raises:
      ValueError: if the action space is not ``Discrete``, or the horizon not positive.
    """

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)
    horizon: int = struct.field(pytree_node=False, default=10)

    def __post_init__(self) -> None:
        if not isinstance(self.action_space, Discrete):
            raise ValueError(
                f"{type(self).__name__} tabulates actions but action_space={self.action_space}: use it where they are discrete"
            )
        if self.horizon < 1:
            raise ValueError(f"horizon={self.horizon}: an episode has at least 1 environment step")

    def _no_experience(self) -> Counts:
        table = jnp.zeros((self.observation_size, self.action_space.encoding_size), jnp.float32)
        state = jnp.zeros(self.observation_size, jnp.float32)
        zero = jnp.zeros((), jnp.int32)
        return Counts(table[..., None] * state, table, table, state, zero, zero)

    def _observe(self, past: Counts, timestep: Timestep) -> Counts:
        """Adds the last step, whose outcome is in ``timestep``, to the statistics; at the start of a lifetime it adds nothing."""
        taken = past.state[:, None] * timestep.previous_action
        return Counts(
            transitions=past.transitions + jnp.where(timestep.first, 0.0, taken[..., None] * timestep.observation),
            visits=past.visits + taken,
            rewards=past.rewards + taken * timestep.previous_reward,
            state=timestep.observation,
            time=jnp.where(timestep.first, 0, past.time + 1),
            episode=past.episode + timestep.first,
        )

    def _decide(self, action_values: jax.Array, experience: Counts) -> Decision:
        """Returns a greedy decision for ``action_values`` [H, S, A]; ties are broken at random."""
        time = jnp.minimum(experience.time, self.horizon - 1)
        here = jnp.matmul(experience.state, action_values[time], precision="highest")  # rounding would break ties
        return Decision(uniform_over_best(here), jnp.zeros((), jnp.float32))


@struct.dataclass
class EpisodePlanner(TabularLearner[Planned]):
    """Plans at the start of each episode, for the whole episode. Subclass it with ``plan``."""

    @abc.abstractmethod
    def plan(self, experience: Counts, key: jax.Array) -> jax.Array:
        """Returns the action values [H, S, A] that the episode acts greedily on."""

    def initial_memory(self, theta: Empty) -> Planned:
        experience = self._no_experience()
        plan = jnp.zeros((self.horizon, *experience.visits.shape), jnp.float32)
        return Planned(experience, plan, jax.random.key_data(jax.random.key(0)))  # ``begin`` gives every stream a key of its own

    def begin(self, theta: Empty, num_streams: int, key: jax.Array) -> tuple[Empty, Planned]:
        phi, memory = super().begin(theta, num_streams, key)
        return phi, memory._replace(key=jax.random.key_data(jax.random.split(key, num_streams)))

    def act(self, theta: Empty, phi: Empty, memory: Planned, timestep: Timestep) -> tuple[Decision, Planned]:
        experience = self._observe(memory.experience, timestep)
        # ``vmap`` keeps this a branch only if ``first`` is not batched, as where all tasks begin their episodes together.
        memory = jax.lax.cond(timestep.first, self._plan_anew, lambda kept: kept, memory._replace(experience=experience))
        return self._decide(memory.action_values, experience), memory

    def _plan_anew(self, memory: Planned) -> Planned:
        key, plan_key = jax.random.split(jax.random.wrap_key_data(memory.key))
        return Planned(memory.experience, self.plan(memory.experience, plan_key), jax.random.key_data(key))
