"""PEARL's loss of a task and its derivatives against arithmetic by hand, and the posterior that it acts by."""

import dataclasses
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta import struct
from jmeta.inner.off_policy import ReplayStep
from jmeta.inner.pearl import PEARL, PEARLPhi
from jmeta.inner.q_learner import QLearner, Step
from jmeta.networks import Network
from jmeta.objectives import td_target
from jmeta.types import ActionSpace, Continuous, Decision, Experience, Metrics, PyTree, Timestep

MEAN, VARIANCE = jnp.array([1.0, 0.0]), jnp.array([1.0, 4.0])
# KL(N(m, s) || N(0, 1)) = 1/2 sum (s + m^2 - 1 - ln s) = 1/2 [(1 + 1 - 1 - 0) + (4 + 0 - 1 - ln 4)]
KL = 0.5 * (1.0 + 3.0 - np.log(4.0))


def encode(theta: Any, *args: Any, method: str) -> Any:
    """Evidence counts steps. The posterior is a parameter, whatever the evidence, and a standard normal without any."""
    if method == "no_evidence":
        return jnp.zeros(())
    if method == "add":
        return args[0] + len(args[1])
    known = args[0] > 0
    return jnp.where(known, theta["mean"], 0.0), jnp.where(known, theta["variance"], 1.0)


@struct.dataclass
class Linear(QLearner):
    """The critic says w.x of features x, and its loss is the difference from the target itself, so derivatives are constants."""

    num_inputs: int = struct.field(pytree_node=False, default=3)
    action_space: ActionSpace = struct.field(pytree_node=False, default=Continuous(1))
    discount: float = 0.9
    reward_scale: float = 1.0

    def init(self, key: jax.Array) -> PyTree:
        return {"critic": jnp.array([0.5, 2.0, -1.0])}

    def decide(self, parameters: PyTree, x: jax.Array) -> Decision:
        return Decision(x, jnp.zeros(()))  # type: ignore[arg-type]

    def target_parameters(self, parameters: PyTree) -> PyTree:
        return parameters

    def loss(self, parameters: PyTree, target_parameters: PyTree, step: Step, key: jax.Array) -> tuple[jax.Array, Metrics]:
        v_t = target_parameters["critic"] @ step.x_t
        target = td_target(step.r_t, self.discount * (1.0 - step.terminated_t), v_t)
        metrics = {"z0": step.x_tm1[1], "z1": step.x_tm1[2], "next_z0": step.x_t[1], "target": target}
        return parameters["critic"] @ step.x_tm1 - target, metrics

    def behaviour_policy(self, remaining: jax.Array | float) -> Self:
        return self


ENCODER = Network(init=lambda key: {"mean": MEAN, "variance": VARIANCE}, apply=encode)
AGENT = PEARL(1, Continuous(1), Linear(), ENCODER, latent_size=2, kl_weight=0.3)


def segment(shape: tuple[int, ...]) -> Any:
    """Steps of any axes: observation 0.25, reward 1, next observation 0.5."""
    fill = lambda value, *more: jnp.full((*shape, *more), value)  # noqa: E731
    timestep = Timestep(fill(0.25, 1), fill(0.0, 1), fill(0.0), fill(False), fill(0.25, 1))
    return Experience(timestep, fill(0.1, 1), fill(1.0), fill(False), fill(False), fill(0.5, 1))


def loss_and_gradient(agent: PEARL, keys: jax.Array) -> tuple[Any, Any, Any]:
    """Of a lifetime of three segments of four steps, and a batch of five steps; the loss, its derivative in theta, metrics."""
    theta = AGENT.init(jax.random.key(0))
    batch = ReplayStep.of(segment((5, 1)), worth=jnp.ones((5, 1)), time=jnp.zeros((5, 1), jnp.int32))
    context = segment((3, 4, 1))
    loss = lambda theta, key: agent.loss(theta, AGENT.target_parameters(theta), context, batch, key)  # noqa: E731
    both = jax.jit(jax.vmap(jax.value_and_grad(loss, has_aux=True), in_axes=(None, 0)))
    (value, metrics), of = both(theta, keys)
    return value, of, metrics


def test_the_loss_of_a_task() -> None:
    """The critic's error is linear, w.(x_tm1, z) - 1 - 0.9 w.(x_t, z) with w = (0.5, 2, -1), and the divergence weighs 0.3.

    z = mean + std eps. The target is a constant, so the encoder has from it d/d mean = w_z, d/d variance = w_z eps / (2 std),
    and from the divergence 0.3 mean and 0.3 (1 - 1 / variance) / 2.
    """
    agent = AGENT.replace(context_size=6)  # type: ignore[attr-defined]
    value, of, metrics = jax.tree.map(
        lambda x: np.asarray(x[0]), loss_and_gradient(agent, jax.random.split(jax.random.key(1), 1))
    )
    z = np.array([metrics["z0"], metrics["z1"]])
    eps = (z - [1.0, 0.0]) / [1.0, 2.0]
    assert np.abs(eps).min() > 0.05
    assert float(metrics["next_z0"]) == pytest.approx(z[0], rel=1e-5)
    assert float(metrics["posterior/kl"]) == pytest.approx(KL, rel=1e-5)
    target = 1.0 + 0.9 * (0.5 * 0.5 + 2.0 * z[0] - z[1])
    assert float(metrics["target"]) == pytest.approx(target, rel=1e-5)
    error = 0.5 * 0.25 + 2.0 * z[0] - z[1] - target
    assert value == pytest.approx(error + 0.3 * KL, rel=1e-4)
    slope = np.array([2.0, -1.0])
    np.testing.assert_allclose(of["encoder"]["mean"], slope + 0.3 * np.array([1.0, 0.0]), atol=1e-5)
    expected = slope * eps / (2.0 * np.array([1.0, 2.0])) + 0.3 * 0.5 * (1.0 - 1.0 / np.array([1.0, 4.0]))
    np.testing.assert_allclose(of["encoder"]["variance"], expected, atol=1e-5)
    np.testing.assert_allclose(of["q_learner"]["critic"], [0.25, *z], atol=1e-5)


def test_contexts_are_none_to_all_but_the_last_segment() -> None:
    """Of three: without evidence, a third of the time, the divergence and its gradient are 0. z is another for each key."""
    _, of, metrics = loss_and_gradient(AGENT, jax.random.split(jax.random.key(2), 90))
    kl = np.asarray(metrics["posterior/kl"])
    empty = kl == 0.0
    assert 30 - 18 < empty.sum() < 30 + 18  # 4 standard deviations, sqrt(90 * 1/3 * 2/3) = 4.5
    np.testing.assert_allclose(kl[~empty], KL, rtol=1e-5)
    np.testing.assert_array_equal(np.any(np.asarray(of["encoder"]["mean"]) != 0.0, axis=1), ~empty)
    assert len(np.unique(metrics["z0"])) == 90


def test_it_acts_by_the_prior_and_then_by_the_posterior() -> None:
    """Samples of 4,000 lifetimes: means within 5 standard errors, variances within 10 %."""
    theta = AGENT.init(jax.random.key(0))

    def live(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        begin_key, adapt_key = jax.random.split(key)
        phi, memory = AGENT.begin(theta, 1, begin_key)
        after: PEARLPhi
        after, _ = AGENT.adapt(theta, phi, memory, segment((4, 1)), adapt_key)
        return phi.z, after.z

    before, after = jax.jit(jax.vmap(live))(jax.random.split(jax.random.key(3), 4000))
    for z, mean, variance in ((before, [0.0, 0.0], [1.0, 1.0]), (after, MEAN, VARIANCE)):
        np.testing.assert_allclose(z.mean(0), mean, atol=5 * np.sqrt(4.0 / 4000))
        np.testing.assert_allclose(z.var(0), variance, rtol=0.1)


def test_the_encoder_is_told_what_was_seen_done_and_earned() -> None:
    """Two streams of two steps, one stream after the other. Step n observes n, takes the action n / 10 and earns 10 n."""
    echo = Network(init=ENCODER.init, apply=lambda theta, evidence, steps, method: steps)
    agent: PEARL = AGENT.replace(encoder=echo)  # type: ignore[attr-defined]
    n, lived = jnp.array([[0.0, 2.0], [1.0, 3.0]]), segment((2, 2))
    timestep = lived.timestep._replace(observation=n[..., None])
    lived = dataclasses.replace(lived, timestep=timestep, action=0.1 * n[..., None], reward=10.0 * n)
    told = agent._add(AGENT.init(jax.random.key(0)), (), lived)
    np.testing.assert_allclose(told, [[0.0, 0.0, 0.0], [1.0, 0.1, 10.0], [2.0, 0.2, 20.0], [3.0, 0.3, 30.0]], rtol=1e-6)


@struct.dataclass
class Witness(Linear):
    """Reports its features (observation, reward, clock, z) and whether nothing follows."""

    num_inputs: int = struct.field(pytree_node=False, default=5)

    def loss(self, parameters: PyTree, target_parameters: PyTree, step: Step, key: jax.Array) -> tuple[jax.Array, Metrics]:
        seen = {"reward": step.x_tm1[1], "clock": step.x_tm1[2], "next_reward": step.x_t[1], "next_clock": step.x_t[2]}
        return jnp.zeros(()), seen | {"ends": step.terminated_t.astype(jnp.float32)}


def test_who_sees_reward_and_clock_sees_them_before_and_after_a_step() -> None:
    """In segments of four steps; what is valued ends with the fourth. An episode's first step has no reward before it."""
    agent = AGENT.replace(q_learner=Witness(), sees_reward=True, segment_length=4)  # type: ignore[attr-defined]
    theta, lived = agent.init(jax.random.key(0)), segment((5, 1))
    for time, first, expected in (
        (0, True, (0.0, 0.0, 1.0, 0.25, 0.0)),
        (6, False, (7.0, 0.5, 1.0, 0.75, 0.0)),
        (7, False, (7.0, 0.75, 1.0, 1.0, 1.0)),
    ):
        timestep = lived.timestep._replace(previous_reward=jnp.full((5, 1), 7.0), first=jnp.full((5, 1), first))
        batch = ReplayStep.of(dataclasses.replace(lived, timestep=timestep), jnp.ones((5, 1)), jnp.full((5, 1), time))
        _, metrics = agent.loss(theta, agent.target_parameters(theta), segment((3, 4, 1)), batch, jax.random.key(0))
        found = [float(metrics[name]) for name in ("reward", "clock", "next_reward", "next_clock", "ends")]
        assert found == pytest.approx(expected)
