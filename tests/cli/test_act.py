"""``jmeta act`` answers lines of JSON."""

import json

import pytest

from jmeta.agent import Agent
from jmeta.cli.act import answer
from tests.agent.test_agent import make, rl2


@pytest.fixture(scope="module")
def agent() -> Agent:
    return make(rl2, about={"algorithm": "rl2"})


def ask(agent: Agent, **request: object) -> dict[str, object]:
    return json.loads(json.dumps(answer(agent, json.dumps(request).encode())))


def test_requests_are_answered(agent: Agent) -> None:
    assert ask(agent, begin=3) == {"begun": True}
    agent.begin(3)
    expected = agent.act([0.0])
    assert ask(agent, begin=3) == {"begun": True}
    assert ask(agent, observation=[0.0]) == {"action": expected}
    assert ask(agent, reward=1.0, terminated=True) == {"new_episode": True}
    assert ask(agent, observation=[0.0], greedy=True)["action"] in (0, 1, 2)
    assert ask(agent, reward=0.0, truncated=False) == {"new_episode": False}
    assert ask(agent, describe=True)["algorithm"] == "rl2"


def test_mistakes_are_answered_and_change_nothing(agent: Agent) -> None:
    ask(agent, begin=0)
    for line, said in (
        ("{", "Expecting"),
        ("[1]", "give a JSON object"),
        ('{"foo": 1}', 'give {"begin": SEED}'),
        ('{"observation": [0.0], "reward": 1}', "'reward': beside 'observation' there can be first, greedy"),
        ('{"observation": [0.0, 1.0]}', "observation has shape [2]"),
        ('{"reward": 1.0}', "there is no action whose outcome this is"),
        ('{"begin": "seed"}', "begin='seed': give a seed"),
        ('{"begin": true}', "begin=True: give a seed"),
        ('{"observation": [0.0], "greedy": "false"}', "greedy='false': it must be True or False"),
        ('{"observation": ' + "[" * 100_000, ""),
        ('{"reward": 1' + "0" * 400 + "}", ""),
    ):
        assert said in answer(agent, line.encode())["error"]
    assert "utf-8" in answer(agent, b"\xff{}")["error"]
    assert "action" in ask(agent, observation=[0.0])
