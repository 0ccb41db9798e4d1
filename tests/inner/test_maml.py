"""An inner step of MAML and its derivative, against arithmetic by hand: a policy over two actions that is its own logits."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.inner.gradient_agent import Initialisation
from jmeta.inner.maml import MAML
from jmeta.inner.update_rules import GradientDescent
from jmeta.networks import Network
from jmeta.networks.heads import Categorical
from jmeta.objectives import critic_features
from jmeta.types import Decision, Discrete, Segment, Timestep

LOGITS = Network(
    init=lambda key: {"policy": jnp.log(jnp.array([0.75, 0.25])), "rest": jnp.zeros(())},
    apply=lambda w, x: Decision(Categorical(jax.nn.log_softmax(w["policy"])), w["rest"]),
)
KEY = jax.random.key(0)


def learner(**fields: Any) -> MAML:
    return MAML(1, Discrete(2), LOGITS, GradientDescent(jnp.array([0.5, 0.1])), adapted_parts=("policy",), **fields)


START = np.log([0.75, 0.25])


def segment(reward: Any, action: Any, truncated: Any, policy: Any = START) -> Segment:
    """Rewards, actions and ends [T, B] under observations of 1, lived by a policy of these logits."""
    reward, action, truncated = (jnp.asarray(x, dtype) for x, dtype in ((reward, float), (action, int), (truncated, bool)))
    shape = reward.shape
    first = jnp.concatenate([jnp.ones_like(truncated[:1]), truncated[:-1]])
    seen = jnp.ones((*shape, 1))
    timestep = Timestep(seen, jnp.zeros((*shape, 2)), jnp.zeros(shape), first, seen)
    logits = jax.nn.log_softmax(jnp.asarray(policy, jnp.float32))
    decision = Decision(Categorical(jnp.broadcast_to(logits, (*shape, 2))), jnp.zeros(shape))
    return Segment(decision, timestep, action, reward, jnp.zeros(shape, bool), truncated, jnp.ones((*shape, 1)), ())


TWO_PULLS = segment([[1.0, 0.0]], [[0, 1]], [[True, True]])


def adapt(inner: MAML, policy: jax.Array, *lived: Segment) -> np.ndarray:
    theta = Initialisation({"policy": policy, "rest": jnp.zeros(())}, ())
    phi, memory = inner.begin(theta, 2, KEY)
    for each in lived:
        phi, memory = inner.adapt(theta, phi, memory, each, KEY)
    return phi.weights["policy"]


def test_a_step_makes_the_better_action_likelier() -> None:
    """Returns 1 and 0 over a baseline of 1/2, scaled: advantages 1 and -1, each half of the mean.

    grad L = -1/2 [(e_0 - p) - (e_1 - p)] = -1/2 (1, -1), and a step of rate 1/2 adds (1/4, -1/4), whatever p is.
    """
    start = LOGITS.init(KEY)["policy"]
    np.testing.assert_allclose(adapt(learner(), start, TWO_PULLS), start + np.array([0.25, -0.25]), atol=1e-4)
    swapped = dataclasses.replace(TWO_PULLS, reward=TWO_PULLS.reward[:, ::-1])
    np.testing.assert_allclose(adapt(learner(), start, swapped), start - np.array([0.25, -0.25]), atol=1e-4)


def test_the_second_step_has_a_rate_of_its_own() -> None:
    start, step = LOGITS.init(KEY)["policy"], np.array([0.25, -0.25])
    later = segment([[1.0, 0.0]], [[0, 1]], [[True, True]], policy=START + step)
    np.testing.assert_allclose(adapt(learner(), start, TWO_PULLS, later), start + 1.2 * step, atol=1e-4)


@pytest.mark.parametrize("mixed_mode", [True, False])
def test_the_derivative_of_a_step(mixed_mode: bool) -> None:
    """hess box(w_a) = hess log p + s s^T, s = e_a - p: (1/4, -1/4) and (-3/4, 3/4), so the outer products are 1/16 and 9/16 J,

    J = [[1, -1], [-1, 1]]. hess L = -1/2 (1/16 - 9/16) J = J / 4, and d phi / d theta = I - J / 8; first order it is I.
    """
    start = LOGITS.init(KEY)["policy"]
    whole = jax.jacrev(lambda policy: adapt(learner(mixed_mode=mixed_mode), policy, TWO_PULLS))(start)
    np.testing.assert_allclose(whole, np.eye(2) - np.array([[1.0, -1.0], [-1.0, 1.0]]) / 8.0, atol=1e-4)
    first_order = jax.jacrev(lambda policy: adapt(learner(mixed_mode=mixed_mode, first_order=True), policy, TWO_PULLS))(start)
    np.testing.assert_allclose(first_order, np.eye(2), atol=1e-6)


def test_steps_of_an_episode_that_is_cut_off_do_not_count() -> None:
    """The second step's episodes do not end within the segment: its rewards change nothing, nor the number of steps."""
    unfinished = segment([[1.0, 0.0], [50.0, -50.0]], [[0, 1], [1, 1]], [[True, True], [False, False]])
    start = LOGITS.init(KEY)["policy"]
    np.testing.assert_allclose(adapt(learner(), start, unfinished), adapt(learner(), start, TWO_PULLS), atol=1e-3)


def test_only_what_moves_moves() -> None:
    inner = learner()
    theta = Initialisation(LOGITS.init(KEY), ())
    phi, _ = inner.adapt(theta, *inner.begin(theta, 2, KEY), TWO_PULLS, KEY)
    assert set(phi.weights) == {"policy"}
    assert int(phi.num_updates) == 1


def test_the_baseline_is_linear_in_the_features_that_it_is_given() -> None:
    """A critic says 0 of the first two pulls and 1 of the others, which earn 1, 0 and 3, 2: advantages 1/2 and -1/2 of each two.

    Scaled they are 1 and -1, and the step is that of ``TWO_PULLS``. Without the critic the baseline is 3/2 for all.
    """
    pulls = segment([[1.0, 0.0], [3.0, 2.0]], [[0, 1], [0, 1]], [[True, True], [True, True]])
    pulls = dataclasses.replace(pulls, decision=pulls.decision._replace(value=jnp.array([[0.0, 0.0], [1.0, 1.0]])))
    start = LOGITS.init(KEY)["policy"]
    found = adapt(learner(features=critic_features), start, pulls)
    np.testing.assert_allclose(found, start + np.array([0.25, -0.25]), atol=1e-4)
