"""MAML with DQN: the inner step by hand, what it is differentiated through, and whose replay it uses."""

import dataclasses
from functools import partial
from typing import Any

import jax
import numpy as np
import optax
import pytest

import jmeta
from jmeta.inner.maml_dqn import MAMLDQN
from jmeta.inner.off_policy import mean_loss, observed_steps
from jmeta.tasks import GridNavi
from jmeta.types import PyTree, Segment

KEY = jax.random.key(0)


def learner(**fields: Any) -> Any:
    settings = {"widths": (8,), "num_training_tasks": 4, "batch_size": 16, "num_passes": 1, "inner_rate": 0.3} | fields
    return jmeta.algorithms.maml_dqn(GridNavi(size=3, horizon=6), **settings)


def data(outer: Any) -> tuple[PyTree, PyTree]:
    """Theta, and the (newest lifetime, batch, key) of one task."""

    @jax.jit
    def lived() -> tuple[PyTree, PyTree]:
        state, _ = outer.step(outer.init(KEY), KEY)
        record = jax.tree.map(lambda x: x[0], state.by_task)
        return state.theta, outer.draw(record, jax.random.key(3))

    return lived()


@pytest.mark.slow
def test_an_inner_step_is_a_gradient_step_on_the_task_s_own_replay() -> None:
    outer = learner(num_updates=1)
    agent: MAMLDQN = outer.inner
    theta, (context, _, _) = data(outer)
    phi, _ = agent.begin(theta, 1, KEY)
    adapted, _ = jax.jit(agent.adapt)(theta, phi, (), jax.tree.map(lambda x: x[0], context), KEY)
    assert int(adapted.own.number) == 6
    sample_key, loss_key = jax.random.split(jax.random.split(KEY, 1)[0])
    steps = adapted.own.sample(sample_key, 64)
    loss = lambda w: mean_loss(agent.q_learner, w, theta, steps, loss_key)[0]  # noqa: E731
    gradient = jax.jit(jax.grad(loss))(theta)
    expected = jax.tree.map(lambda w, g: w - 0.3 * g, theta, gradient)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), adapted.weights, expected)


@pytest.mark.slow
def test_an_inner_step_is_no_longer_than_it_may_be() -> None:
    outer = learner(num_updates=1, reward_scale=1e6, max_inner_norm=0.01)
    theta, (context, _, _) = data(outer)
    phi, _ = outer.inner.begin(theta, 1, KEY)
    adapted, _ = jax.jit(outer.inner.adapt)(theta, phi, (), jax.tree.map(lambda x: x[0], context), KEY)
    assert float(optax.tree.norm(optax.tree.sub(adapted.weights, theta))) == pytest.approx(0.3 * 0.01, rel=1e-3)


@pytest.mark.slow
def test_the_meta_gradient_is_that_of_central_differences() -> None:
    """Along a random direction in the weights, targets of inner steps included; not so those of first order.

    From where no rectifier is at its kink, before or after an inner step: the middle of the room is (0, 0), biases begin at 0.
    """
    outer = learner(num_updates=2)
    agent: MAMLDQN = outer.inner
    theta, (context, batch, key) = data(outer)
    target_parameters = agent.target_parameters(theta)

    @partial(jax.jit, static_argnums=0)
    def loss(agent: MAMLDQN, theta: PyTree) -> jax.Array:
        return agent.loss(theta, target_parameters, context, batch, key)[0]

    leaves, structure = jax.tree.flatten(theta)
    keys = jax.random.split(jax.random.key(7), len(leaves))
    noise = [jax.random.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)]
    direction = jax.tree.unflatten(structure, noise)
    theta = jax.tree.map(lambda x: x + 0.3, theta)
    along = lambda agent: float(optax.tree.vdot(jax.grad(loss, argnums=1)(agent, theta), direction))  # noqa: E731
    width = 5e-4
    ends = [float(loss(agent, optax.tree.add_scale(theta, sign * width, direction))) for sign in (1.0, -1.0)]
    slope = (ends[0] - ends[1]) / (2 * width)
    assert along(agent) == pytest.approx(slope, rel=0.02)
    first = agent.replace(first_order=True)  # type: ignore[attr-defined]
    assert abs(along(first) - slope) > 0.05 * abs(slope)


@pytest.mark.slow
def test_the_outer_target_comes_from_target_parameters_that_adapted_alike() -> None:
    outer = learner(num_updates=1)
    agent: MAMLDQN = outer.inner
    theta, (context, batch, key) = data(outer)
    target_parameters = jax.tree.map(lambda x: x + 0.1, theta)

    @jax.jit
    def losses() -> tuple[jax.Array, jax.Array]:
        adapt_key, loss_key = jax.random.split(key)
        weights, slow = (agent._adapted(start, context, adapt_key) for start in (theta, target_parameters))
        expected, _ = mean_loss(agent.q_learner, weights, slow, observed_steps(batch, batch.worth), loss_key)
        return agent.loss(theta, target_parameters, context, batch, key)[0], expected

    np.testing.assert_allclose(*losses(), rtol=1e-5)


@pytest.mark.slow
def test_training_adapts_to_what_a_new_task_gives() -> None:
    """The first segment of three, or the first two, as when it lives in them; never the last."""
    outer = learner(num_segments=3, num_updates=2)
    agent: MAMLDQN = outer.inner
    theta, (context, batch, _) = data(outer)
    loss = jax.jit(lambda context, key: agent.loss(theta, theta, context, batch, key)[0])

    def paid_more_in(which: int) -> Segment:
        return dataclasses.replace(context, reward=context.reward.at[which].add(1.0))

    keys = jax.random.split(KEY, 32)
    moved = np.array([[abs(loss(paid_more_in(which), key) - loss(context, key)) > 1e-6 for which in range(3)] for key in keys])
    assert moved[:, 0].all()
    assert 8 < moved[:, 1].sum() < 24
    assert not moved[:, 2].any()


@pytest.mark.slow
def test_until_it_has_adapted_it_tries_everything() -> None:
    outer = learner(exploration_epsilon=0.5, epsilon=0.1)
    agent: MAMLDQN = outer.inner
    theta, (context, _, _) = data(outer)
    phi, _ = agent.begin(theta, 1, KEY)
    segment = jax.tree.map(lambda x: x[0], context)
    timestep = jax.tree.map(lambda x: x[0, 0], segment.timestep)
    adapted, _ = jax.jit(agent.adapt)(theta, phi, (), segment, KEY)
    for known, epsilon in ((phi, 0.5), (adapted, 0.1)):
        probability = np.exp(agent.act(theta, known, (), timestep)[0].distribution.logits)
        np.testing.assert_allclose(np.sort(probability), [epsilon / 5] * 4 + [1 - 0.8 * epsilon], rtol=1e-5)


def test_what_is_refused() -> None:
    for fields, said in (
        ({"num_updates": 0}, "num_updates=0"),
        ({"inner_rate": 0.0}, "inner_rate=0"),
        ({"max_inner_norm": 0.0}, "max_inner_norm=0"),
    ):
        with pytest.raises(ValueError, match=said):
            learner(**fields)
    with pytest.raises(ValueError, match="use pearl or mql"):
        jmeta.algorithms.maml_dqn(jmeta.tasks.PointNavigation())
