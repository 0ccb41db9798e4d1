"""An algorithm of one's own, from a class of settings whose types are written as strings and two of which are dataclasses."""

from __future__ import annotations

import dataclasses
from typing import Literal

import jmeta
from jmeta import struct
from jmeta.algorithms import algorithm
from jmeta.algorithms.rl2 import RL2Settings, recurrent_learner
from jmeta.outer import PPO
from jmeta.ranges import Count
from jmeta.struct import fields_for


@dataclasses.dataclass(frozen=True)
class Network:
    width: int = 4
    depth: int = 1


@struct.settings
class NestedSettings(RL2Settings):
    """Settings of ``nested``.

    Attributes:
      core_network: the core.
      head_network: the heads.
      speed: how fast it learns.
      patience: how long it waits.
    """

    core_network: Network = Network()
    head_network: Network = Network()
    speed: Literal["slow", "fast"] = "slow"
    patience: Count = 3
    num_tasks: Count = 16


@algorithm(NestedSettings)
def nested(tasks: jmeta.TaskDistribution, settings: NestedSettings) -> PPO:
    """RL2 whose networks are given as a dataclass each."""
    given = fields_for(RL2Settings, settings) | {
        "hidden_size": settings.core_network.width,
        "head_widths": (settings.head_network.width,) * settings.head_network.depth,
    }
    return recurrent_learner(tasks, RL2Settings(**given))


@struct.settings
class SilentSettings(RL2Settings):
    volume: float = 1.0


@algorithm(SilentSettings)
def silent(tasks: jmeta.TaskDistribution, settings: SilentSettings) -> PPO:
    return recurrent_learner(tasks, settings)
