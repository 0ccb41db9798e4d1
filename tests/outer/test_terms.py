"""Terms of an on-policy loss, and the auxiliary loss of ``docs/auxiliary-loss.md``."""

import importlib
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmeta
from jmeta import struct
from jmeta.outer import PPO, Credit, Record, Term
from jmeta.testing import check_learner
from jmeta.types import Decision, Protocol

TASKS = jmeta.tasks.BernoulliBandit(num_arms=3, num_pulls=4)
DOCS = Path(__file__).parents[2] / "docs" / "auxiliary-loss.md"
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)


@struct.dataclass
class Reward(Term):
    """The recorded reward, which no theta changes, plus a value that does."""

    def __call__(self, decision: Decision, record: Record, credit: Credit) -> jax.Array:
        return record.reward + 0.0 * decision.value


def learner(**changed: Any) -> PPO:
    outer = jmeta.algorithms.rl2(TASKS, hidden_size=3, num_tasks=4, num_minibatches=1)
    return outer.replace(protocol=Protocol(2, 4, 1), **{"segment_weights": (0.25, 2.0)} | changed)


def loss_of(outer: PPO) -> tuple[float, dict[str, float], Any]:
    state = outer.init(jax.random.key(0))
    group, _ = jax.jit(outer.gather)(state, jax.random.split(jax.random.key(1), 4))
    loss, metrics = jax.jit(outer.loss)(state.theta, group)
    return float(loss), {name: float(value) for name, value in metrics.items()}, group


def test_a_term_counts_with_its_weight_in_its_segments() -> None:
    plain, _, group = loss_of(learner())
    reward = np.asarray(group.lifetimes.segments.reward).mean((1, 2, 3))
    assert reward[0] != reward[1]
    by_score = 0.25 * reward[0] + 2.0 * reward[1]
    loss, metrics, _ = loss_of(learner(terms=(Reward("loss/reward", weight=3.0),)))
    np.testing.assert_allclose([metrics["loss/reward"], loss], [by_score, plain + 3.0 * by_score], rtol=1e-5)
    loss, metrics, _ = loss_of(learner(terms=(Reward("loss/reward", segments=(0.0, 0.5)),)))
    np.testing.assert_allclose([metrics["loss/reward"], loss], [0.5 * reward[1], plain + 0.5 * reward[1]], rtol=1e-5)


def test_a_term_may_count_in_a_segment_that_does_not_score() -> None:
    plain, _, group = loss_of(learner(segment_weights=(0.0, 1.0)))
    first = float(np.asarray(group.lifetimes.segments.reward)[0].mean())
    loss, _, _ = loss_of(learner(segment_weights=(0.0, 1.0), terms=(Reward("loss/reward", segments=(2.0, 0.0)),)))
    np.testing.assert_allclose(loss, plain + 2.0 * first, rtol=1e-5)


def test_a_term_without_a_weight_is_only_reported() -> None:
    plain, _, _ = loss_of(learner())
    undefined = Reward("loss/reward", weight=None)
    loss, metrics, _ = loss_of(learner(terms=(undefined,)))
    assert loss == plain
    assert metrics["loss/reward"] > 0


def test_segments_of_a_term_are_as_many_as_there_are() -> None:
    with pytest.raises(ValueError, match="segments of the term 'loss/reward' has 3 entries but num_segments is 2"):
        learner(terms=(Reward("loss/reward", segments=(1.0, 1.0, 1.0)),))


def test_the_example_is_short() -> None:
    assert len([line for line in EXAMPLE.splitlines() if line.strip()]) < 60


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "example"}
    exec(EXAMPLE, names)
    return names


def test_extras_are_made_in_a_replay_and_not_recorded(example: dict[str, Any]) -> None:
    outer = example["rl2_predicting_rewards"](TASKS, hidden_size=4, num_tasks=4)
    state = outer.init(jax.random.key(0))
    group, _ = jax.jit(outer.gather)(state, jax.random.split(jax.random.key(1), 4))
    assert group.lifetimes.segments.decision.extras == ()
    decisions = jax.jit(lambda theta: outer.decide_again(theta, group, (0,)))(state.theta)
    assert decisions.extras.shape == (1, 4, 4, 1, 3)
    gradient = jax.jit(lambda theta: jax.grad(lambda theta: outer.loss(theta, group)[1]["loss/reward"])(theta))(state.theta)
    assert np.abs(gradient["core"]["recurrent_kernel"]).max() > 0  # the core learns from what is predicted
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient["heads"]["actor_critic"]))


@pytest.mark.slow
def test_rewards_are_predicted(example: dict[str, Any]) -> None:
    """The error is 1/2 at first, of predicting 0 where rewards are 0 or 1; it is 1/4 where nothing is known of an arm."""
    outer = example["rl2_predicting_rewards"](TASKS, hidden_size=16, num_tasks=64)
    step = jax.jit(outer.step)
    state, errors = outer.init(0), []
    for number in range(120):
        state, metrics = step(state, jax.random.key(number))
        errors.append(float(metrics["loss/reward"]))
    assert errors[0] > 0.35
    assert np.mean(errors[-50:]) < 0.245


@pytest.mark.slow
def test_the_example_obeys_the_laws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "predicting.py").write_text(EXAMPLE)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("predicting")
    check_learner(lambda: module.rl2_predicting_rewards(TASKS, hidden_size=4, num_tasks=4))


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ((Reward("loss/policy"),), "two metrics are called 'loss/policy': give each term a name of its own"),
        ((Reward("loss"),), "two metrics are called 'loss'"),
        ((Reward("a"), Reward("a")), "two metrics are called 'a'"),
        (Reward("a"), "give a tuple of terms"),
    ],
)
def test_terms_that_could_not_be_told_apart_are_refused(terms: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        learner(terms=terms)


@struct.dataclass
class Twice(Term):
    """Two numbers for a decision, which is one too many."""

    def __call__(self, decision: Decision, record: Record, credit: Credit) -> jax.Array:
        return jnp.stack([record.reward, record.reward])


def test_a_term_of_several_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the term 'twice' has the shape \[2\] for one decision: return a number"):
        loss_of(learner(terms=(Twice("twice"),)))
