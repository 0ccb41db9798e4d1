"""Algorithms of one's own, as ``module:function`` names them; some that can't be used."""

from typing import Any

import jmeta
from jmeta import struct
from jmeta.outer import PPO, OuterLearner


@struct.dataclass
class Doubtful(PPO):
    """PPO under another name, to be told from jmeta's."""


def doubtful_rl2(tasks: jmeta.TaskDistribution, *, units: int = 4, learning_rate: float = 1e-3) -> OuterLearner:
    """RL² as somebody else might write it.

    Args:
      tasks: the distribution to meta-train on.
      units: of the GRU.
      learning_rate: of Adam.
    """
    built: Any = jmeta.algorithms.rl2(tasks, hidden_size=units, learning_rate=learning_rate, num_tasks=16, num_minibatches=2)
    return Doubtful(**vars(built))


def undocumented(tasks: jmeta.TaskDistribution, *, units: int = 4) -> OuterLearner:
    return doubtful_rl2(tasks, units=units)


def returns_nothing(tasks: jmeta.TaskDistribution) -> None:
    return None


def unknown_settings(tasks: jmeta.TaskDistribution, **settings: Any) -> OuterLearner:
    return doubtful_rl2(tasks, **settings)


def untyped(tasks, units=4):
    return doubtful_rl2(tasks, units=units)


def without_tasks(units: int = 4) -> OuterLearner:
    raise NotImplementedError


NUMBER = 3
