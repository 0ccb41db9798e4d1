"""The zoo: trained agents that come with jmeta, by name.

    agent = jmeta.load("zoo:rl2/grid-navi").agent()

Each is a file of at most 300 kB with the agent's meta-parameters, the settings of its training, and a card: the score on
test tasks, the optimum, the command that trained it, its seed, versions and limits. ``jmeta list zoo`` lists them.
"""

from jmeta.zoo.card import Card
from jmeta.zoo.file import ZooAgent, pack, read_agent, unpack, write_agent
from jmeta.zoo.index import AGENTS, PREFIX, get, is_zoo_name, names

__all__ = [
    "AGENTS",
    "PREFIX",
    "Card",
    "ZooAgent",
    "get",
    "is_zoo_name",
    "names",
    "pack",
    "read_agent",
    "unpack",
    "write_agent",
]
