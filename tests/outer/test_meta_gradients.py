"""The meta-gradients that outer learners estimate from lifetimes, against exact enumeration of a three-armed bandit.

Fixture G1: logits theta = [.1, -.2, .3], rewards [1, 0, .5], inner rate .7, one inner step on N = 2 pulls, no baselines.
"""

import dataclasses
import itertools
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta import struct
from jmeta.inner.gradient_agent import Initialisation, InnerData, Surrogate, behaviour_of
from jmeta.inner.maml import MAML
from jmeta.inner.update_rules import GradientDescent
from jmeta.networks import Network
from jmeta.networks.heads import Categorical
from jmeta.objectives import loaded_dice, low_variance_curvature, naive
from jmeta.objectives.advantages import raw_advantages, spread
from jmeta.outer.credit import Credit, EpisodeBaseline, Exploration
from jmeta.outer.ppo import PPO
from jmeta.tasks.bernoulli_bandit import BernoulliBandit, BernoulliBanditEnvironment
from jmeta.types import Decision, Lifetime, Protocol, PyTree, Segment

THETA = jnp.array([0.1, -0.2, 0.3])
REWARD = jnp.array([1.0, 0.0, 0.5])
PATHWISE = np.array([0.1366938507, -0.1149303276, -0.0217635232])
TOTAL = np.array([0.1623050199, -0.1228212592, -0.0394837605])
Z = 4.0  # standard errors; fifteen numbers are compared, so chance alone would exceed it once in a thousand keys


class SureBandit(BernoulliBanditEnvironment):
    """Pays the mean, without noise."""

    def pay(self, key: jax.Array, chosen: jax.Array, params: PyTree) -> jax.Array:
        return chosen @ REWARD


@dataclasses.dataclass(frozen=True)
class SureTasks(BernoulliBandit):
    """The same bandit every time."""

    num_arms: int = 3
    num_pulls: int = 1

    def _make(self) -> SureBandit:
        return SureBandit(self.num_arms)


@struct.dataclass
class PlainMAML(MAML):
    """REINFORCE without a baseline."""

    def judge(self, segment: Segment) -> InnerData:
        ones = jnp.ones_like(segment.reward)
        first = segment.timestep.first
        return InnerData(segment.timestep.observation, segment.action, first, segment.reward, ones, behaviour_of(segment))


def plain_credit(lifetimes: Lifetime) -> Credit:
    reward = lifetimes.segments.reward
    return Credit(advantage=reward, weight=jnp.ones_like(reward), value_target=jnp.zeros_like(reward))


@struct.dataclass
class PlainBaseline(EpisodeBaseline):
    def assign(self, statistics: PyTree, lifetimes: Lifetime) -> tuple[Credit, PyTree]:
        return plain_credit(lifetimes), statistics


OPTIMISED = {"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False, "xla_cpu_use_fusion_emitters": True}
"""These programs run for longer than they compile, which the flags of ``make test`` are not for."""


def estimates(outer: PPO, number: int) -> np.ndarray:
    """Meta-gradients [number, 3] from as many outer batches."""

    def one(key: jax.Array) -> jax.Array:
        state = outer.init(key)._replace(theta=Initialisation({"logits": THETA}, ()))
        group, _ = outer.gather(state, jax.random.split(key, outer.num_tasks))
        return -outer.gradient(state.theta, group)[0].weights["logits"]

    keys = jax.random.split(jax.random.key(0), number)
    return np.asarray(jax.jit(partial(jax.lax.map, one), compiler_options=OPTIMISED)(keys))


def learner(surrogate: Surrogate, **fields: object) -> PPO:
    tasks = SureTasks()
    decide = lambda weights, observation: Decision(Categorical(jax.nn.log_softmax(weights["logits"])), jnp.zeros(()))  # noqa: E731
    network = Network(lambda key: {"logits": THETA}, decide)
    inner = PlainMAML(1, tasks.action_space, network, GradientDescent(jnp.array([0.7])), surrogate=surrogate)
    fields = {"credit": PlainBaseline(), "segment_weights": (0.0, 1.0)} | fields
    return PPO(inner=inner, tasks=tasks, protocol=Protocol(2, 1, 2), num_tasks=4096, **fields)


def assert_expectation(sample: np.ndarray, expected: np.ndarray) -> None:
    error = sample.std(0, ddof=1) / np.sqrt(len(sample))
    assert error.max() < 0.004  # or the comparison says little: what E-MAML adds is .0256 in its first component
    np.testing.assert_array_less(np.abs(sample.mean(0) - expected), Z * error)


def enumerated(score: Callable[[jax.Array], jax.Array]) -> np.ndarray:
    """E[d/dtheta V(theta + .7 mean over two pulls of r * d score(log pi)/dtheta)], the pulls held."""
    total = jnp.zeros(3)
    pi = jax.nn.softmax(THETA)
    for a, b in itertools.product(range(3), repeat=2):

        def gain(theta: jax.Array, a: int = a, b: int = b) -> jax.Array:
            log_pi = jax.nn.log_softmax(theta)
            return (score(log_pi[a]) * REWARD[a] + score(log_pi[b]) * REWARD[b]) / 2

        def adapted(theta: jax.Array, gain: Callable = gain) -> jax.Array:
            return jax.nn.softmax(theta + 0.7 * jax.grad(gain)(theta)) @ REWARD

        total += pi[a] * pi[b] * jax.grad(adapted)(THETA)
    return np.asarray(total)


@pytest.mark.slow
def test_with_data_held_fixed_only_the_pathwise_part_is_estimated() -> None:
    """``log_prob * reward``, which differentiated twice holds the inner data fixed, gives the fixture's pathwise part."""
    np.testing.assert_allclose(enumerated(lambda log_pi: log_pi), PATHWISE, atol=1e-6)
    assert_expectation(estimates(learner(naive), 60), PATHWISE)


@pytest.mark.slow
@pytest.mark.parametrize("surrogate", [low_variance_curvature, loaded_dice])
def test_surrogates_that_are_right_twice_estimate_another_gradient(surrogate: Surrogate) -> None:
    """Theirs counts that other data would have come; on two pulls it lies near the exact inner step's [.1648, -.1233, -.0414]."""
    expected = enumerated(lambda log_pi: jnp.exp(log_pi - jax.lax.stop_gradient(log_pi)))
    assert np.abs(expected - PATHWISE).max() > 0.02
    assert_expectation(estimates(learner(surrogate), 60), expected)


def exact(number: int, *, total: bool) -> np.ndarray:
    """The derivative of E[V(theta + .7 mean over pulls of r grad log pi)], with that of the pulls' probability or without."""
    pulls = jnp.array(list(itertools.product(range(3), repeat=number)))

    def value(theta: jax.Array) -> jax.Array:
        log_pi = jax.nn.log_softmax(theta)
        likely = jnp.exp(log_pi[pulls].sum(1))
        gain = lambda theta, pulls: (jax.nn.log_softmax(theta)[pulls] * REWARD[pulls]).mean()  # noqa: E731
        adapted = theta + 0.7 * jax.vmap(jax.grad(gain), (None, 0))(theta, pulls)
        return jnp.sum((likely if total else jax.lax.stop_gradient(likely)) * (jax.nn.softmax(adapted) @ REWARD))

    return np.asarray(jax.grad(value)(THETA))


def test_enumeration_has_the_numbers_of_the_fixture() -> None:
    np.testing.assert_allclose(exact(2, total=False), PATHWISE, atol=1e-6)
    np.testing.assert_allclose(exact(2, total=True), TOTAL, atol=1e-6)


@struct.dataclass
class InUnitsOfReward(Exploration):
    """``Exploration`` with plain rewards in the last segment, and what it credits earlier ones with in units of reward too."""

    def assign(self, statistics: PyTree, lifetimes: Lifetime) -> tuple[Credit, PyTree]:
        last = jax.tree.map(lambda x: x[-1], dataclasses.replace(lifetimes.segments, memory=()))

        def unit(segment: Segment) -> jax.Array:
            _, advantage, weight = raw_advantages(segment, self.discount)
            return spread(advantage, weight)[1]

        earned = super().assign(statistics, lifetimes)[0].advantage[:-1] * self.enlarged(jax.vmap(unit, in_axes=1)(last))[:, None]
        credit = plain_credit(lifetimes)
        return credit._replace(advantage=jnp.concatenate([earned, credit.advantage[1:]])), statistics


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("episodes", "streams"), [(1, 2), (2, 1), (5, 1)])
def test_e_maml_estimates_the_whole_gradient(episodes: int, streams: int) -> None:
    """However many episodes a stream's segment has; the part with data held fixed alone is rejected."""
    protocol = Protocol(2, episodes, streams)
    whole = estimates(learner(naive, credit=InUnitsOfReward(), segment_weights=(1.0, 1.0)).replace(protocol=protocol), 200)
    assert_expectation(whole, exact(episodes * streams, total=True))
    pathwise = exact(episodes * streams, total=False)
    error = whole.std(0, ddof=1) / np.sqrt(len(whole))
    assert (np.abs(whole.mean(0) - pathwise) > Z * error).any()
    without = learner(naive, credit=InUnitsOfReward(coefficient=0.0), segment_weights=(1.0, 1.0)).replace(protocol=protocol)
    assert_expectation(estimates(without, 60), pathwise)
