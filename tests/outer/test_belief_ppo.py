"""The buffer that beliefs are learned from."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmeta
from jmeta import struct
from jmeta.inner.belief import Record
from jmeta.inner.task_inference import TaskInference
from jmeta.outer.belief_buffer import draw
from jmeta.outer.belief_ppo import BeliefPPO
from jmeta.tasks import BernoulliBandit
from jmeta.types import Metrics, PyTree, Theta

KEY = jax.random.key(0)


def learner(**fields: object) -> BeliefPPO:
    settings = {"hidden_size": 4, "num_tasks": 8, "num_minibatches": 2, "belief_batch_size": 4, "buffer_steps": 3} | fields
    return jmeta.algorithms.task_inference(BernoulliBandit(num_arms=2, num_pulls=5), **settings)  # type: ignore[return-value]


@struct.dataclass
class Witness(TaskInference):
    """Reports which lifetimes it is given: the share of steps that are not empty, and a number that tells lifetimes apart."""

    def belief_loss(self, theta: Theta, record: Record, key: jax.Array) -> tuple[jax.Array, Metrics]:
        loss, _ = super().belief_loss(theta, record, key)
        return loss, {"lived": record.timestep.first.mean(dtype=jnp.float32), "description": record.description.sum()}


@pytest.mark.slow
def test_the_buffer_keeps_the_first_outer_steps_and_the_newest() -> None:
    """Of four places two belong to steps 0 and 1 for good, and the others are taken in turn."""
    outer = learner(buffer_steps=4)
    step, gather = jax.jit(outer.step), jax.jit(lambda state, key: outer.records(outer.gather(state, key)[0]))
    state, lived = outer.init(KEY), []
    for s in range(7):
        key = jax.random.fold_in(KEY, s)
        keys = jax.vmap(jax.random.split)(jax.random.split(key, 8))[:, 0]
        lived.append(gather(state, keys))
        state, _ = step(state, key)
    for place, s in enumerate((0, 1, 6, 5)):
        kept = jax.tree.map(lambda x, place=place: x[:, place], state.by_task)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), kept, lived[s])
    assert np.abs(np.asarray(lived[6].description) - np.asarray(lived[4].description)).max() > 0.01


class Rows(NamedTuple):
    """A buffer that holds nothing but rewards."""

    reward: jax.Array


def test_a_belief_batch_is_drawn_from_every_task_and_step_of_each_group() -> None:
    """Six tasks in three groups, of which three of four steps are kept; step s of task n earned 10 n + s. 300 draws see all."""
    reward = 10 * jnp.arange(6)[:, None, None] + jnp.arange(4)[None, :, None]
    keys = jax.random.split(KEY, (300, 3))
    drawn, _ = jax.jit(jax.vmap(lambda keys: draw(Rows(reward), jnp.int32(3), keys)))(keys)  # type: ignore[arg-type]
    for group in range(3):
        expected = {10 * task + step for task in (2 * group, 2 * group + 1) for step in range(3)}
        assert set(np.asarray(drawn.reward[:, group, 0]).tolist()) == expected


@struct.dataclass
class Drawn(BeliefPPO):
    """Has a gradient of 1, and reports the mean and the mean square of the rewards that its updates drew."""

    def belief_gradient(self, theta: PyTree, records: Any, keys: jax.Array) -> tuple[PyTree, Metrics]:
        reward = records.reward.mean()
        return jax.tree.map(jnp.ones_like, theta), {"mean": reward, "square": reward**2}


def drawing(**fields: object) -> Any:
    """Returns ``learn(keys, num_steps)``, which updates the belief 0 by one of 8 * 10 lifetimes at a time."""
    plain = learner(belief_batch_size=1, buffer_steps=10, num_belief_updates=2, **fields)
    outer = Drawn(**{field.name: getattr(plain, field.name) for field in dataclasses.fields(plain)})
    theta, buffer = {"encoder": jnp.zeros(())}, Rows(jnp.arange(80.0).reshape(8, 10, 1))
    beliefs = (theta, outer._belief_transformation().init(theta))

    def learn(key: jax.Array, num_steps: jax.Array) -> Any:
        return outer._learn_beliefs(beliefs, buffer, jnp.int32(10), jax.random.split(key, 8), num_steps)  # type: ignore[arg-type]

    return jax.jit(jax.vmap(learn))


def test_each_update_draws_a_batch_of_its_own() -> None:
    """Two updates draw the same of 80 lifetimes once in 80 times, so what they draw has a variance in 15 of 20 pairs."""
    learn = drawing()
    _, metrics = learn(jax.random.split(KEY, 20), jnp.zeros(20, jnp.int32))
    assert (metrics["square"] - metrics["mean"] ** 2 > 0.1).sum() >= 15


def test_the_rate_of_the_belief_falls_over_a_share_of_anneal_steps() -> None:
    """Adam moves a parameter of constant gradient by the rate 0.01 in each of two updates.

    After s of 8 outer steps the rate is 1 - s / 8 / 0.85 of that: all, 0.412 after 4, 0.118 after 6, and 0 after 7.
    """
    learn = drawing(anneal_steps=8, belief_learning_rate=0.01)
    (theta, _), _ = learn(jax.random.split(KEY, 4), jnp.array([0, 4, 6, 7]))
    np.testing.assert_allclose(-theta["encoder"] / 0.02, [1.0, 1 - 0.5 / 0.85, 1 - 0.75 / 0.85, 0.0], atol=1e-3)


@pytest.mark.slow
def test_nothing_is_learned_from_places_that_are_empty() -> None:
    """Every pull begins an episode, so what was lived is all ``first``; an empty place is not."""
    outer = learner(buffer_steps=50, num_belief_updates=5)
    outer = outer.replace(inner=Witness(**vars(outer.inner)))  # type: ignore[attr-defined]
    step, state, seen = jax.jit(outer.step), outer.init(KEY), []
    for s in range(3):
        state, metrics = step(state, jax.random.fold_in(KEY, s))
        seen.append(float(metrics["description"]))
        assert float(metrics["lived"]) == 1.0
    assert len(set(seen)) == 3


@pytest.mark.slow
def test_the_belief_settles_before_the_policy() -> None:
    """Of eight outer steps the policy moves in all, the belief in the first seven: it is done after 0.85 * 8 = 6.8."""
    outer = learner(anneal_steps=8)
    step, state = jax.jit(outer.step), outer.init(KEY)
    moved: dict[str, list[bool]] = {"encoder": [], "policy": []}
    for s in range(8):
        old, (state, _) = state, step(state, jax.random.fold_in(KEY, s))
        for part, did in moved.items():
            pairs = zip(jax.tree.leaves(old.theta[part]), jax.tree.leaves(state.theta[part]), strict=True)
            did.append(any(np.any(a != b) for a, b in pairs))
    assert moved == {"encoder": [True] * 7 + [False], "policy": [True] * 8}


@pytest.mark.slow
def test_a_run_continues_bit_for_bit(tmp_path: Path) -> None:
    """The buffer is part of the state."""
    outer = learner()
    whole = jmeta.train(outer, KEY, 5, out=tmp_path / "whole", progress=False)
    jmeta.train(outer, KEY, 3, out=tmp_path / "parts", progress=False)
    parts = jmeta.train(outer, KEY, 5, out=tmp_path / "parts", resume=True, progress=False)
    jax.tree.map(np.testing.assert_array_equal, parts.state, whole.state)
