"""The zoo: each agent scores what its card says, and is used as a run is."""

import dataclasses
from pathlib import Path

import chex
import jax
import numpy as np
import pytest

import jmeta
from jmeta import recipes, zoo
from jmeta.cli.list import details, overview
from jmeta.training.provenance import describe, versions
from jmeta.types import Protocol
from jmeta.zoo import Card, index, pack, read_agent, unpack, write_agent

SLOW = tuple(name for name in zoo.names() if name not in ("rl2/bernoulli-bandit", "rl2/grid-navi"))
AGENTS = [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in zoo.names()]
CARD = Card(
    recipe="rl2/bernoulli-bandit",
    seed=1,
    command="jmeta train --recipe rl2/bernoulli-bandit --seed 1 --out DIR",
    outer_steps=3,
    env_steps=300,
    score=1.5,
    standard_error=0.1,
    of="lifetime",
    num_tasks=10,
    split="held-out",
    protocol=Protocol(1, 10, 1),
    episode_returns=(0.5, 0.6),
    random=0.5,
    versions={"jmeta": "0.1.0"},
    limits="none",
)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_scores_what_its_card_says(name: str) -> None:
    """On 2,000 tasks that the card does not know, or on fewer where lifetimes are long."""
    check_score(name, max(200, min(2000, 4_000_000 // zoo.get(name).card.protocol.num_env_steps)))


@pytest.mark.learning
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", zoo.names())
def test_an_agent_scores_what_its_card_says_on_two_thousand_tasks(name: str) -> None:
    check_score(name, 2000)


def check_score(name: str, num_tasks: int) -> None:
    """Checks that an agent scores what its card says, within four standard errors, and far from random actions."""
    opened, card = jmeta.load(f"zoo:{name}"), zoo.get(name).card
    tasks = opened.tasks.on_split(card.split)
    protocol = card.protocol
    result = jmeta.evaluate(opened.inner, tasks, opened.theta, 2024, protocol=protocol, num_tasks=num_tasks, progress=False)
    each = recipes.scores(result, card.of)  # type: ignore[arg-type]
    error = np.hypot(each.std(ddof=1) / np.sqrt(len(each)), card.standard_error)
    assert abs(each.mean() - card.score) < 4.0 * error
    assert card.score - card.random > 20.0 * error
    np.testing.assert_allclose(result.episode_returns.mean(0), card.episode_returns, atol=0.1 * abs(card.score - card.random))


@pytest.mark.parametrize("name", zoo.names())
def test_a_card_is_that_of_its_recipe(name: str) -> None:
    agent, named = zoo.get(name), recipes.get(name)
    card = agent.card
    assert agent.num_bytes <= 300 * 1024
    assert describe(jmeta.load(f"zoo:{name}").outer) == describe(named.build())
    assert (card.recipe, card.of, card.split, card.protocol) == (name, named.measured.of, named.cell.split, named.cell.protocol)
    assert (card.outer_steps, card.env_steps) == (named.num_steps, named.measured.env_steps)
    assert (card.optimum, card.optimum_label) == (named.measured.optimum, named.measured.optimum_label)
    assert set(card.versions) == set(versions())


def test_the_zoo_is_small() -> None:
    assert sum(zoo.get(name).num_bytes for name in zoo.names()) < 4 * 1024**2


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> zoo.ZooAgent:
    """An agent that was not trained, in a zoo of its own, as ``rl2/small``."""
    fields = {"hidden_size": 8, "num_tasks": 4, "num_minibatches": 2}
    outer = jmeta.algorithms.rl2(jmeta.tasks.BernoulliBandit(3, 10), **fields)
    recipe = {"algorithm": "rl2", "algorithm_fields": fields, "task": "bernoulli-bandit"}
    config = {"recipe": recipe | {"task_fields": {"num_arms": 3, "num_pulls": 10}}, "versions": {"jmeta": "0.1.0"}}
    theta = outer.deploy(outer.init(jax.random.key(0)))
    write_agent(tmp_path / "rl2--small.safetensors", pack(theta), config, CARD)
    monkeypatch.setattr(index, "AGENTS", tmp_path)
    index._read.cache_clear()
    chex.assert_trees_all_equal(zoo.get("rl2/small").theta_of(outer), theta)
    return zoo.get("zoo:rl2/small")


def test_an_agent_is_loaded_as_a_run_is(small: zoo.ZooAgent) -> None:
    assert zoo.names() == ("rl2/small",)
    assert small.card == CARD
    opened = jmeta.load("zoo:rl2/small")
    assert (opened.step, opened.state, opened.tasks) == (3, None, jmeta.tasks.BernoulliBandit(3, 10))
    agent = opened.agent()
    agent.begin(seed=0)
    assert agent.act(np.zeros(1)) in range(3)
    assert agent.describe()["score"] | {"score": 1.5, "of": "lifetime"} == agent.describe()["score"]
    assert jmeta.load("zoo:rl2/small", step=3).step == 3


def test_what_can_t_be_loaded_is_named(small: zoo.ZooAgent, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no agent of the zoo is called 'rl2/smal'; did you mean 'rl2/small'"):
        jmeta.load("zoo:rl2/smal")
    with pytest.raises(ValueError, match="has the agent after 3 outer steps only"):
        jmeta.load("zoo:rl2/small", step=2)
    other = jmeta.algorithms.rl2(jmeta.tasks.BernoulliBandit(3, 10), hidden_size=16, num_tasks=4)
    with pytest.raises(ValueError, match=r"was trained by jmeta 0\.1\.0, whose learner has other parameters"):
        small.theta_of(other)
    file = tmp_path / "rl2--small.safetensors"
    content = file.read_bytes()
    file.write_bytes(content.replace(b'\\"format\\": 1', b'\\"format\\": 9'))
    with pytest.raises(ValueError, match="has format 9, and this jmeta reads up to 1: install a newer jmeta"):
        read_agent(file)
    for damaged in (content[:-1], content[:-1] + b"x", b"", content.replace(b"theta/0", b"theta/x")):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match="is damaged"):
            read_agent(file)


def test_matrices_in_eight_bits_are_off_by_half_a_step_at_most() -> None:
    random = np.random.default_rng(0)
    theta = {"bias": random.normal(size=5).astype(np.float32), "kernel": random.normal(size=(64, 5)).astype(np.float32)}
    theta["kernel"][:, 2] = 0.0
    packed = pack(theta, eight_bits=True)
    assert packed["theta/1"].dtype == np.int8
    bias, kernel = unpack(packed)
    np.testing.assert_array_equal(bias, theta["bias"])
    step = np.abs(theta["kernel"]).max(0) / 127.0
    assert (np.abs(kernel - theta["kernel"]) <= 0.5001 * step).all()
    assert np.abs(kernel - theta["kernel"]).max() > 0.0
    chex.assert_trees_all_equal(unpack(pack(theta)), (theta["bias"], theta["kernel"]))


def test_the_list_and_a_card_fit_a_terminal(small: zoo.ZooAgent) -> None:
    table = overview("zoo", 80)
    assert "rl2/small 1.500 ± 0.1" in table
    card = details("zoo:rl2/small", 80)
    for says in (
        "score: 1.5 ± 0.1 (standard error), return of a lifetime",
        "limits: none",
        "jmeta watch zoo:rl2/small",
        CARD.command,
    ):
        assert says in card.replace("\n  ", " ")
    assert max(map(len, [*table.splitlines(), *card.splitlines()])) <= 80
    assert dataclasses.replace(small.card, seed=2).seed == 2
