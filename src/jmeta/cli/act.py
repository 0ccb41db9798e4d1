"""``jmeta act``."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from tyro.conf import Positional

from jmeta.agent import Agent, load_agent
from jmeta.cli.command import tyro_command

REQUESTS = '{"begin": SEED}, {"observation": [...]}, {"reward": NUMBER, ...} or {"describe": true}'


@tyro_command("act", "Drive an agent from another program, by lines of JSON: jmeta act FILE.")
def act_command(
    file: Positional[Annotated[Path, tyro.conf.arg(help="the file that jmeta export wrote.")]],
    num_tasks: int | None = None,
    num_envs: int | None = None,
    greedy: bool = False,
) -> int:
    """Reads requests from standard input, one JSON object a line, and answers each with a line of JSON on standard output.

    {"begin": SEED} begins a lifetime in a new task. {"observation": [...]} is answered by {"action": ...}. Then {"reward":
    NUMBER, "terminated": BOOLEAN, "truncated": BOOLEAN, "next_observation": [...]} is answered by {"new_episode": BOOLEAN}; all
    but the reward may be left out. {"describe": true} is answered by a description of the agent. A mistake is answered by
    {"error": "..."}, and the agent's state is as it was before.

    Args:
      num_tasks: number of tasks at once; one, without an axis, by default.
      num_envs: number of environments of each task; one, without an axis, by default.
      greedy: take the most likely action at every step, instead of a sampled one.
    """
    agent = load_agent(file, num_tasks=num_tasks, num_envs=num_envs, greedy=greedy)
    for line in sys.stdin.buffer:
        if line.strip():
            print(json.dumps(answer(agent, line)), flush=True)
    return 0


def answer(agent: Agent, line: bytes) -> dict[str, Any]:
    """Returns the answer to a line of input."""
    try:
        request = json.loads(line)
        if not isinstance(request, dict):
            raise ValueError(f"{line.strip()[:80]!r}: give a JSON object, {REQUESTS}")
        return _answer(agent, request)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:  # JSON that can't be read is a ValueError
        return {"error": str(error)}


def _answer(agent: Agent, request: dict[str, Any]) -> dict[str, Any]:
    kinds = {"begin": {"begin"}, "observation": {"observation", "greedy", "first"}, "describe": {"describe"}}
    kinds["reward"] = {"reward", "terminated", "truncated", "next_observation"}
    kind = next((kind for kind in kinds if kind in request), None)
    if kind is None:
        raise ValueError(f"{sorted(request)}: give {REQUESTS}")
    if unknown := sorted(set(request) - kinds[kind]):
        raise ValueError(f"{unknown[0]!r}: beside {kind!r} there can be {', '.join(sorted(kinds[kind] - {kind})) or 'nothing'}")
    if kind == "begin":
        if type(request["begin"]) is not int:
            raise ValueError(f"begin={request['begin']!r}: give a seed, a whole number")
        agent.begin(request["begin"])
        return {"begun": True}
    if kind == "describe":
        return agent.describe()
    if kind == "observation":
        return {"action": np.asarray(agent.act(**request)).tolist()}
    return {"new_episode": np.asarray(agent.observe(**request)).tolist()}
