"""The trust region's pieces, and its promise."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from jax.flatten_util import ravel_pytree

import jmeta
from jmeta import struct
from jmeta.networks.heads import Categorical
from jmeta.outer.credit import LifetimeCritic
from jmeta.outer.terms import Divergence, Record
from jmeta.outer.trust_region import TrustRegion
from jmeta.tasks import PointNavigation, TabularMDP, TaskDistribution
from jmeta.types import Decision, PyTree

POINTS = PointNavigation(horizon=5)


def learner(tasks: TaskDistribution = POINTS, **fields: object) -> TrustRegion:
    return jmeta.algorithms.maml_trpo(tasks, **({"widths": (4,), "num_streams": 4, "num_tasks": 4} | fields))


@pytest.fixture(scope="module")
def lived() -> tuple[PyTree, PyTree]:
    return live_in(learner())


def live_in(outer: TrustRegion) -> tuple[PyTree, PyTree]:
    """Returns a theta, and what it lived."""
    state = outer.init(jax.random.key(0))
    theta = jax.tree.map(lambda x: x + 0.2 * jnp.sin(jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape), state.theta)
    group, _ = jax.jit(outer.gather)(state._replace(theta=theta), jax.random.split(jax.random.key(1), 4))
    return theta, group


def test_divergence_of_categoricals_by_hand() -> None:
    # p = (1/2, 1/2), q = (1/4, 3/4):  log 2 / 2 + log(2/3) / 2 = .5 log(4/3)
    p, q = (Categorical(jnp.log(jnp.array(x))) for x in ([0.5, 0.5], [0.25, 0.75]))
    np.testing.assert_allclose(dist.kl_divergence(p, q), 0.5 * np.log(4 / 3), rtol=1e-6)
    # and of a decision that was recorded, p, from that of now, q
    unused: Any = None
    recorded = Record(Decision(p, jnp.zeros(())), *[unused] * 7)
    divergence = Divergence("policy/kl")(Decision(q, jnp.zeros(())), recorded, unused)
    np.testing.assert_allclose(divergence, 0.5 * np.log(4 / 3), rtol=1e-6)


def test_the_hessian_of_the_divergence_of_categoricals_is_the_fisher_information() -> None:
    """In the logits diag(p) - p p'. Without it a trust region over discrete actions is a damped gradient step."""
    p = np.array([0.5, 0.3, 0.2], np.float32)
    of_logits = jax.hessian(lambda logits: dist.kl_divergence(Categorical(jnp.log(p)), Categorical(logits)))
    np.testing.assert_allclose(of_logits(jnp.log(p)), np.diag(p) - np.outer(p, p), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("tasks", [POINTS, TabularMDP(num_states=3, num_actions=3, horizon=5)])
def test_products_with_the_hessian_are_those_of_the_divergence_itself(tasks: TaskDistribution) -> None:
    """J^T M J v by transposition, against forward mode through plain inner gradients, and against the whole Hessian.

    The latter also has a term that vanishes with KL's first derivative, which float32 leaves at 1e-6: one percent here.
    """
    outer = learner(tasks)
    theta, group = live_in(outer)
    plain = dataclasses.replace(outer, inner=outer.inner.replace(mixed_mode=False))
    flat, unravel = ravel_pytree(theta)

    def again(flat: jax.Array) -> PyTree:
        return plain.decide_again(unravel(flat), group, plain.weighted_segments)

    @jax.jit
    def by_transposition(vector: jax.Array) -> jax.Array:
        return ravel_pytree(outer.kl_hessian(theta, group, unravel(vector)))[0]

    @jax.jit
    def by_forward_mode(vector: jax.Array) -> jax.Array:
        decisions, along = jax.jvp(again, (flat,), (vector,))
        curved = jax.jvp(jax.grad(lambda decisions: plain._divergence(decisions, group)), (decisions,), (along,))[1]
        return jax.vjp(again, flat)[1](curved)[0]

    @jax.jit
    def whole(vector: jax.Array) -> jax.Array:
        return jax.jvp(jax.grad(lambda flat: plain.surrogate_and_kl(unravel(flat), group)[1]), (flat,), (vector,))[1]

    for seed in range(2):
        vector = jnp.asarray(np.random.default_rng(seed).normal(size=flat.shape), jnp.float32)
        found, scale = by_transposition(vector), float(jnp.abs(whole(vector)).max())
        np.testing.assert_allclose(found, by_forward_mode(vector), atol=1e-5 * scale)
        np.testing.assert_allclose(found, whole(vector), atol=3e-2 * scale)
        assert vector @ found > 0


@pytest.mark.slow
def test_the_surrogate_has_the_gradient_of_ppo(lived: tuple[PyTree, PyTree]) -> None:
    theta, group = lived
    ppo = jmeta.algorithms.maml(POINTS, widths=(4,), num_streams=4, num_tasks=4)
    ours = jax.jit(jax.grad(learner().surrogate))(theta, group)
    theirs = jax.jit(ppo.gradient)(theta, group)[0]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, -b, atol=1e-5), ours, theirs)


@pytest.mark.slow
def test_a_step_stays_within_its_room_and_gains() -> None:
    outer = learner(max_kl=0.02, num_tasks=8)
    state = outer.init(jax.random.key(0))
    step = jax.jit(outer.step)
    used = []
    for number in range(5):
        state, metrics = step(state, jax.random.key(number))
        if not metrics["policy/refused"]:
            assert metrics["policy/gain"] > 0
            assert 0 < metrics["policy/kl"] <= 0.02
            used.append(float(metrics["policy/kl"]))
    assert len(used) >= 4
    assert max(used) > 0.004  # and makes use of it


@pytest.mark.slow
def test_the_first_step_that_is_tried_takes_all_the_room() -> None:
    """A short step's divergence goes with the square of its length. Damping keeps it off directions in which H is nearly zero."""
    outer = learner(max_kl=1e-4, damping=0.1)
    _, metrics = jax.jit(outer.step)(outer.init(jax.random.key(0)), jax.random.key(1))
    assert metrics["policy/refused"] == 0
    assert metrics["policy/kl"] / 0.8 ** (2 * metrics["policy/backtracks"]) == pytest.approx(1e-4, rel=0.5)


@pytest.mark.slow
def test_a_step_that_is_damped_much_goes_along_the_gradient() -> None:
    """Of H + damping the latter is nearly all: the step is sqrt(2 max_kl / damping) = sqrt(2 * 0.02 / 1e4) = 0.002 long."""
    outer = learner(max_kl=0.02, damping=1e4)
    state = outer.init(jax.random.key(0))
    after, metrics = jax.jit(outer.step)(state, jax.random.key(1))
    assert metrics["policy/refused"] == metrics["policy/backtracks"] == 0
    moved = jax.tree.map(lambda a, b: a - b, after.theta, state.theta)
    assert np.linalg.norm(ravel_pytree(moved)[0]) == pytest.approx(0.002, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("damping", [-10.0, -1e8])
def test_a_refused_step_changes_nothing(damping: float) -> None:
    """With a negative curvature it goes against the gradient: much too far for the first; for the other within max_kl, to a loss.

    x = -g / 1e8, and curvatures are at least 1e-12, so the other step is -sqrt(2 * 0.5 / 1e-12) / 1e8 g = -g / 100.
    """
    outer = learner(max_kl=0.5).replace(max_backtracks=1)
    object.__setattr__(outer, "damping", damping)
    state = outer.init(jax.random.key(0))
    after, metrics = jax.jit(outer.step)(state, jax.random.key(1))
    assert metrics["policy/refused"] == 1
    jax.tree.map(np.testing.assert_array_equal, state.theta, after.theta)


@struct.dataclass
class ByHand(TrustRegion):
    """A surrogate d - bend * d^2 and a divergence steep * n d^2 / 2 of the distance d that each of n parameters has moved.

    The Hessian is said to be the identity, so the step that is tried first has n d^2 / 2 = max_kl.
    """

    begun: Any = None
    bend: float = 0.0
    steep: float = 1.0

    def surrogate_and_kl(self, theta: PyTree, group: PyTree) -> tuple[jax.Array, jax.Array]:
        moved = ravel_pytree(theta)[0] - ravel_pytree(self.begun)[0]
        distance = moved.mean()
        return distance - self.bend * distance**2, self.steep * moved.size * distance**2 / 2

    def kl_hessian(self, theta: PyTree, group: PyTree, vector: PyTree) -> PyTree:
        return vector


def test_a_step_shrinks_until_it_gains_and_stays_within_the_bound() -> None:
    """Trial k goes 0.8^k of the way. Within the bound is 3 * 0.64^k <= 1, of k = 0, 1, 2, 3 the last alone, with 3 * 0.262.

    A gain has a distance below 1 / bend, here 0.6 of the whole way: 0.8, 0.64, and then 0.512.
    """
    outer = learner(max_kl=0.02, damping=0.0, num_tasks=2, num_streams=1)
    state = jax.jit(outer.init)(jax.random.key(0))
    size = ravel_pytree(state.theta)[0].size
    by_hand = ByHand(**{field.name: getattr(outer, field.name) for field in dataclasses.fields(outer)}, begun=state.theta)
    step = jax.jit(lambda bend, steep: by_hand.replace(bend=bend, steep=steep).step(state, jax.random.key(1)))
    whole = np.sqrt(2 * 0.02 / size)
    for bend, steep, backtracks, kl, gain in (
        (0.0, 1.0 - 1e-4, 0, 0.02, whole),
        (0.0, 3.0, 3, 0.02 * 3 * 0.64**3, 0.512 * whole),
        (1 / (0.6 * whole), 1.0 - 1e-4, 3, 0.02 * 0.64**3, 0.512 * whole * (1 - 0.512 / 0.6)),
    ):
        after, metrics = step(bend, steep)
        assert metrics["policy/backtracks"] == backtracks
        assert metrics["policy/refused"] == 0
        np.testing.assert_allclose(metrics["policy/kl"], kl, rtol=1e-3)
        np.testing.assert_allclose(metrics["policy/gain"], gain, rtol=1e-3)
        assert ravel_pytree(after.theta)[0].sum() > ravel_pytree(state.theta)[0].sum()


def test_a_critic_is_refused() -> None:
    with pytest.raises(ValueError, match="LifetimeCritic has a critic, which a trust region does not train: use EpisodeBaseline"):
        dataclasses.replace(learner(), credit=LifetimeCritic())
    with pytest.raises(ValueError, match="max_kl=0: give a number above 0"):
        learner(max_kl=0)
