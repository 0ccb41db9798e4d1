"""Learners of tabular Markov decision processes by posterior sampling, optimism and bonuses: the baselines of Duan et al. 2016.

Their prior is independent for every state s and action a: P(. | s, a) ~ Dirichlet(1, ..., 1), mean rewards are N(prior_mean, 1),
and rewards have N(0, 1) noise. With a ``prior_mean`` of 1 this is Duan et al.'s distribution of processes. The scores in their
paper (RL², arXiv 1611.02779, table 2) are those of a prior mean of 0, a default of Osband's TabulaRL
(github.com/iosband/TabulaRL), from which these learners come.

The next state of the last action of an episode is not observed, since the next observation is the start of another episode. So
only the reward of that action is counted.
"""

import abc
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.references.classical import HandWritten, uniform_over_best
from jmeta.types import ActionSpace, Decision, Discrete, Memory, Phi, Theta, Timestep


class Experience(NamedTuple):
    """Statistics of the experience since the lifetime began."""

    transitions: jax.Array  # [S, A, S] float32, how often a in s led to s'
    visits: jax.Array  # [S, A] float32, how often a was taken in s
    rewards: jax.Array  # [S, A] float32, sums of rewards
    state: jax.Array  # [S] one-hot, where the agent is
    time: jax.Array  # [] int32, steps since the episode began
    episode: jax.Array  # [] int32, episodes begun


class Planned(NamedTuple):
    """The memory of an ``EpisodePlanner``."""

    experience: Experience
    action_values: jax.Array  # [H, S, A] of the current plan
    key: jax.Array  # [2] uint32, for randomised plans


@struct.dataclass
class TabularLearner(HandWritten):
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

    def _no_experience(self) -> Experience:
        table = jnp.zeros((self.observation_size, self.action_space.encoding_size), jnp.float32)
        state = jnp.zeros(self.observation_size, jnp.float32)
        zero = jnp.zeros((), jnp.int32)
        return Experience(table[..., None] * state, table, table, state, zero, zero)

    def _observe(self, past: Experience, timestep: Timestep) -> Experience:
        """Adds the last step, whose outcome is in ``timestep``, to the statistics; at the start of a lifetime it adds nothing."""
        taken = past.state[:, None] * timestep.previous_action
        return Experience(
            transitions=past.transitions + jnp.where(timestep.first, 0.0, taken[..., None] * timestep.observation),
            visits=past.visits + taken,
            rewards=past.rewards + taken * timestep.previous_reward,
            state=timestep.observation,
            time=jnp.where(timestep.first, 0, past.time + 1),
            episode=past.episode + timestep.first,
        )

    def _decide(self, action_values: jax.Array, experience: Experience) -> Decision:
        """Returns a greedy decision for ``action_values`` [H, S, A]; ties are broken at random."""
        time = jnp.minimum(experience.time, self.horizon - 1)
        return Decision(uniform_over_best(experience.state @ action_values[time]), jnp.zeros((), jnp.float32))


@struct.dataclass
class EpisodePlanner(TabularLearner):
    """Plans at the start of each episode, for the whole episode. Subclass it with ``plan``."""

    @abc.abstractmethod
    def plan(self, experience: Experience, key: jax.Array) -> jax.Array:
        """Returns the action values [H, S, A] that the episode acts greedily on."""

    def initial_memory(self, theta: Theta) -> Planned:
        experience = self._no_experience()
        plan = jnp.zeros((self.horizon, *experience.visits.shape), jnp.float32)
        return Planned(experience, plan, jax.random.key_data(jax.random.key(0)))  # ``begin`` gives every stream a key of its own

    def begin(self, theta: Theta, num_streams: int, key: jax.Array) -> tuple[Phi, Memory]:
        phi, memory = super().begin(theta, num_streams, key)
        return phi, memory._replace(key=jax.random.key_data(jax.random.split(key, num_streams)))

    def act(self, theta: Theta, phi: Phi, memory: Memory, timestep: Timestep) -> tuple[Decision, Memory]:
        experience = self._observe(memory.experience, timestep)
        # ``vmap`` keeps this a branch only if ``first`` is not batched, as where all tasks begin their episodes together.
        memory = jax.lax.cond(timestep.first, self._plan_anew, lambda kept: kept, memory._replace(experience=experience))
        return self._decide(memory.action_values, experience), memory

    def _plan_anew(self, memory: Planned) -> Planned:
        key, plan_key = jax.random.split(jax.random.wrap_key_data(memory.key))
        return Planned(memory.experience, self.plan(memory.experience, plan_key), jax.random.key_data(key))


@struct.dataclass
class PSRL(EpisodePlanner):
    """Posterior sampling: draws a process from the posterior and acts optimally in it for an episode.

    In ten episodes it earns 133.8. With a ``prior_mean`` of 0 it earns 138.1, the published score: a lower prior explores less,
    and in so short a lifetime it is better to exploit.

    Attributes:
      prior_mean: prior mean of the mean rewards; 1 in Duan et al.'s distribution.

    References:
      Strens 2000, A Bayesian Framework for Reinforcement Learning.
      Osband, Russo, Van Roy 2013, arXiv 1306.0940.
    """

    prior_mean: jax.Array | float = 1.0

    def plan(self, experience: Experience, key: jax.Array) -> jax.Array:
        return _solve(*_draw(experience, self.prior_mean, key), self.horizon)


@struct.dataclass
class OPSRL(EpisodePlanner):
    """Optimistic posterior sampling: acts on the elementwise maximum of the action values of several drawn processes.

    Attributes:
      prior_mean: as for ``PSRL``.
      num_samples: processes drawn for each episode, at least 1; with 1 it is ``PSRL``.

    References:
      Osband and Van Roy 2017, Why is Posterior Sampling Better than Optimism for Reinforcement Learning?, arXiv 1607.00215; with
      the envelope over action values of the authors' TabulaRL.
    """

    prior_mean: jax.Array | float = 1.0
    num_samples: int = struct.field(pytree_node=False, default=10)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_samples < 1:
            raise ValueError(f"num_samples={self.num_samples}: draw at least 1 process")

    def plan(self, experience: Experience, key: jax.Array) -> jax.Array:
        def largest(action_values: jax.Array, key: jax.Array) -> tuple[jax.Array, None]:
            drawn = _solve(*_draw(experience, self.prior_mean, key), self.horizon)
            return jnp.maximum(action_values, drawn), None

        lowest = jnp.full((self.horizon, *experience.visits.shape), -jnp.inf, jnp.float32)
        return jax.lax.scan(largest, lowest, jax.random.split(key, self.num_samples))[0]


@struct.dataclass
class UCRL2(EpisodePlanner):
    """Optimism: acts optimally in the best process of a confidence set around the empirical process.

    With n visits of (s, a) and k episodes begun, the mean reward is at most the observed one plus d_r, and transitions are
    within d_p of the observed ones in L1 distance,

        d_r = scale sqrt(4 L / n),    d_p = scale sqrt(4 S L / n),    L = log(2 S A (k + 1) / delta),

    where n is at least 1, and d_p does not count the last steps of episodes. The optimistic transitions move d_p / 2 of mass
    from the worst next states to the best one ("extended value iteration"). The confidence set of an unvisited (s, a) is centred
    on the mean reward ``prior_mean`` and uniform transitions. In ten episodes it earns 145.9 (published 146.6).

    Attributes:
      scale: scale of the confidence set; 1 has the regret guarantee and explores far too much in a short lifetime.
      delta: with a scale of 1, upper bound on the probability that the confidence set does not contain the process.
      prior_mean: mean reward of unvisited (s, a); 0 in TabulaRL.

    References:
      Jaksch, Ortner, Auer 2010, Near-optimal Regret Bounds for Reinforcement Learning, JMLR 11; in TabulaRL's episodic form.
    """

    scale: jax.Array | float = 0.1
    delta: jax.Array | float = 0.05
    prior_mean: jax.Array | float = 0.0

    def plan(self, experience: Experience, key: jax.Array) -> jax.Array:
        num_states, num_actions = experience.visits.shape
        visits = jnp.maximum(experience.visits, 1.0)
        rewards = jnp.where(experience.visits > 0, experience.rewards / visits, self.prior_mean)
        moves = experience.transitions.sum(-1, keepdims=True)
        transitions = jnp.where(moves > 0, experience.transitions / jnp.maximum(moves, 1.0), 1.0 / num_states)
        log = 4.0 * jnp.log(2.0 * num_states * num_actions * (experience.episode + 1) / self.delta)
        optimistic_rewards = rewards + self.scale * jnp.sqrt(log / visits)
        distance = self.scale * jnp.sqrt(num_states * log / jnp.maximum(moves[..., 0], 1.0))

        def expect(value: jax.Array) -> jax.Array:
            order = jnp.argsort(-value)
            mass = transitions[..., order].at[..., 0].add(distance / 2.0)
            below = jnp.minimum(jnp.cumsum(mass, axis=-1), 1.0)  # from the best state on; mass above 1 leaves the worst ones
            return jnp.diff(below, axis=-1, prepend=0.0) @ value[order]

        return _back_up(expect, jnp.broadcast_to(optimistic_rewards, (self.horizon, num_states, num_actions)))


@struct.dataclass
class BEB(EpisodePlanner):
    """Acts optimally in the posterior mean process with a reward bonus of beta / (1 + n) for a (s, a) that was tried n times.

    n includes the prior: it is S plus the number of observed transitions. In ten episodes it earns 156.3; with a ``prior_mean``
    of 0 and the best ``beta`` for it, 30, it earns 149.8 (published 150.2).

    Attributes:
      beta: scale of the bonus, in units of reward.
      prior_mean: as for ``PSRL``.

    References:
      Kolter and Ng 2009, Near-Bayesian Exploration in Polynomial Time.
    """

    beta: jax.Array | float = 10.0
    prior_mean: jax.Array | float = 1.0

    def plan(self, experience: Experience, key: jax.Array) -> jax.Array:
        rewards, _, transitions, weight = _posterior(experience, self.prior_mean)
        return _solve(rewards + self.beta / (1.0 + weight), transitions, self.horizon)


@struct.dataclass
class ReplanningIndex(TabularLearner):
    """Plans at every step in the posterior mean process, with an uncertainty bonus that fades over the lifetime.

    In episode e = 1 .. n, with tau the precision of a mean reward's posterior and N the sum of its Dirichlet parameters, the
    reward with its bonus is

        r(s, a) + c_r g / sqrt(tau) + c_p g (steps that follow) / sqrt(N),    g = (1 - (e - 1) / n)^power.

    It is the reference for learned agents: in ten episodes it earns 162.6, more than any baseline of Duan et al. 2016. The
    defaults are for ten episodes; (c_r, c_p, power) = (1.2, 0.6, 1) suit 25 and 50, (1.2, 0.4, 0.5) 75 and 100.

    Attributes:
      num_episodes: number of episodes n over which the bonus fades; it is 0 in later ones.
      reward_bonus: c_r, in standard deviations of the posterior.
      transition_bonus: c_p, in units of reward.
      power: exponent of the fading factor g.
      prior_mean: as for ``PSRL``.
    """

    num_episodes: jax.Array | float = 10.0
    reward_bonus: jax.Array | float = 0.8
    transition_bonus: jax.Array | float = 0.2
    power: jax.Array | float = 0.5
    prior_mean: jax.Array | float = 1.0

    def initial_memory(self, theta: Theta) -> Memory:
        return self._no_experience()

    def act(self, theta: Theta, phi: Phi, memory: Memory, timestep: Timestep) -> tuple[Decision, Memory]:
        experience = self._observe(memory, timestep)
        rewards, precision, transitions, weight = _posterior(experience, self.prior_mean)
        remaining = jnp.maximum(1.0 - (experience.episode - 1) / self.num_episodes, 0.0)
        fading = jnp.where(remaining > 0, remaining**self.power, 0.0)
        following = jnp.arange(self.horizon - 1, -1, -1, dtype=jnp.float32)[:, None, None]
        bonus = self.reward_bonus / jnp.sqrt(precision) + self.transition_bonus * following / jnp.sqrt(weight)
        values = _back_up(lambda value: transitions @ value, rewards + fading * bonus)
        return self._decide(values, experience), experience


def _posterior(experience: Experience, prior_mean: jax.Array | float) -> tuple[jax.Array, ...]:
    """Returns posterior mean rewards [S, A], their precisions [S, A], mean transitions [S, A, S] and Dirichlet sums [S, A]."""
    precision = 1.0 + experience.visits
    dirichlet = 1.0 + experience.transitions
    weight = dirichlet.sum(-1)
    return (prior_mean + experience.rewards) / precision, precision, dirichlet / weight[..., None], weight


def _draw(experience: Experience, prior_mean: jax.Array | float, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns mean rewards [S, A] and transitions [S, A, S] of a process drawn from the posterior."""
    reward_key, transition_key = jax.random.split(key)
    mean, precision, _, _ = _posterior(experience, prior_mean)
    rewards = mean + jax.random.normal(reward_key, mean.shape) / jnp.sqrt(precision)
    gamma = _gamma(1.0 + experience.transitions, transition_key)
    return rewards, gamma / gamma.sum(-1, keepdims=True)


def _gamma(alpha: jax.Array, key: jax.Array) -> jax.Array:
    """Draws from Gamma(alpha, 1), all alpha at least 1, by Marsaglia and Tsang 2000: one loop for the whole array.

    ``jax.random.gamma`` runs one loop per element, one after the other on a CPU.
    """
    d = alpha - 1.0 / 3.0

    def propose(carry: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        key, accepted, drawn = carry
        key, normal_key, uniform_key = jax.random.split(key, 3)
        x = jax.random.normal(normal_key, alpha.shape)
        v = (1.0 + x / jnp.sqrt(9.0 * d)) ** 3
        u = jax.random.uniform(uniform_key, alpha.shape)
        accept = (v > 0) & (jnp.log(u) < 0.5 * x**2 + d - d * v + d * jnp.log(jnp.maximum(v, 1e-30)))
        return key, accepted | accept, jnp.where(accepted, drawn, d * v)

    start = (key, jnp.zeros(alpha.shape, bool), jnp.ones(alpha.shape, jnp.float32))
    return jax.lax.while_loop(lambda carry: ~carry[1].all(), propose, start)[2]


def _solve(rewards: jax.Array, transitions: jax.Array, horizon: int) -> jax.Array:
    """Returns the optimal action values [H, S, A] of a known process."""
    return _back_up(lambda value: transitions @ value, jnp.broadcast_to(rewards, (horizon, *rewards.shape)))


def _back_up(expect: Callable[[jax.Array], jax.Array], rewards: jax.Array) -> jax.Array:
    """Returns action values [H, S, A] by backward induction from rewards [H, S, A]: Q_t = r_t + expect(max_a Q_{t+1})."""

    def step(value: jax.Array, reward: jax.Array) -> tuple[jax.Array, jax.Array]:
        action_values = reward + expect(value)
        return action_values.max(-1), action_values

    return jax.lax.scan(step, jnp.zeros(rewards.shape[1], jnp.float32), rewards, reverse=True)[1]
